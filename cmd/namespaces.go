package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/portcullis-dev/portcullis/policies"
)

// namespaces knows a cluster's Namespaces from a watch; nothing is asked of the cluster while a request waits.
type namespaces struct {
	factory  informers.SharedInformerFactory
	informer cache.SharedIndexInformer
}

// newNamespaces returns what watches the cluster of a kubeconfig. Nothing is called before start.
func newNamespaces(kubeconfig string) (*namespaces, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	config.UserAgent = "portcullis/" + version()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	const resync = 0 * time.Second // the watch is enough
	factory := informers.NewSharedInformerFactory(client, resync)
	n := &namespaces{factory: factory, informer: factory.Core().V1().Namespaces().Informer()}
	if err := n.informer.SetTransform(prepareNamespace); err != nil {
		return nil, err
	}
	return n, nil
}

// known is what is kept of a Namespace: the values policies are given, made once and not with every request.
type known struct {
	metav1.ObjectMeta
	namespace policies.Namespace
}

func prepareNamespace(object any) (any, error) {
	ns, ok := object.(*corev1.Namespace)
	if !ok {
		return object, nil
	}
	ns = ns.DeepCopy()
	ns.ManagedFields = nil
	ns.APIVersion, ns.Kind = "v1", "Namespace"
	text, err := json.Marshal(ns)
	if err != nil {
		return nil, err
	}
	value, err := policies.ParseValue(text)
	if err != nil {
		return nil, err
	}
	return &known{ObjectMeta: ns.ObjectMeta, namespace: policies.Namespace{Labels: ns.Labels, Object: value}}, nil
}

func (n *namespaces) start(ctx context.Context) error {
	n.factory.Start(ctx.Done())
	<-ctx.Done()
	n.factory.Shutdown()
	return nil
}

func (n *namespaces) ready() error {
	if !n.informer.HasSynced() {
		return errors.New("the cluster's namespaces have not been listed yet")
	}
	return nil
}

// lookup is a policies.Namespaces.
func (n *namespaces) lookup(name string) (policies.Namespace, bool) {
	object, found, err := n.informer.GetStore().GetByKey(name)
	if err != nil || !found {
		return policies.Namespace{}, false
	}
	k, ok := object.(*known)
	if !ok {
		return policies.Namespace{}, false
	}
	return k.namespace, true
}
