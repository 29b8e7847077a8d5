package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watch begins to follow Pods and Services. ctx bounds the first listing, lasting is how long the node runs.
func (n *Node) watch(ctx, lasting context.Context) error {
	factory := informers.NewSharedInformerFactory(n.client, 0)
	pods := factory.Core().V1().Pods()
	services := factory.Core().V1().Services()
	s := newSlicer(n, pods.Lister(), services.Lister())
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.seen(lasting, o.(*corev1.Pod)); s.wake() },
		UpdateFunc: func(_, o any) { n.seen(lasting, o.(*corev1.Pod)); s.wake() },
		DeleteFunc: func(o any) { n.gone(o); s.wake() },
	})
	if err != nil {
		return err
	}
	wake := func(any) { s.wake() }
	_, err = services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: wake, UpdateFunc: func(any, any) { s.wake() }, DeleteFunc: wake,
	})
	if err != nil {
		return err
	}
	factory.StartWithContext(lasting)
	if !cache.WaitForCacheSync(ctx.Done(), pods.Informer().HasSynced, services.Informer().HasSynced) {
		return context.Cause(ctx)
	}
	n.parts.Go(func() { s.run(lasting) })
	n.parts.Go(func() { <-lasting.Done(); factory.Shutdown() })
	return nil
}

// seen binds a Pod that has no node, starts one that has this node, and ends one that is to go.
func (n *Node) seen(lasting context.Context, p *corev1.Pod) {
	switch {
	case !n.concerns(p.Namespace) || !n.knowsImages(p):
	case p.Spec.NodeName == "":
		if p.DeletionTimestamp == nil {
			n.parts.Go(func() { n.bind(lasting, p) })
		}
	case p.Spec.NodeName == n.opts.Name:
		n.mu.Lock()
		defer n.mu.Unlock()
		running, ok := n.pods[p.UID]
		if !ok && lasting.Err() == nil {
			running = newPod(n, p)
			n.pods[p.UID] = running
			n.parts.Go(func() { running.run(lasting) })
		}
		if running != nil && p.DeletionTimestamp != nil {
			running.terminate(p.DeletionGracePeriodSeconds)
		}
	}
}

// gone ends the process of a Pod that was deleted by force, or whose deletion was missed.
func (n *Node) gone(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	p, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if running := n.pods[p.UID]; running != nil {
		running.terminate(new(int64))
	}
}

func (n *Node) knowsImages(p *corev1.Pod) bool {
	for _, c := range p.Spec.Containers {
		if _, ok := n.opts.Programs[c.Image]; !ok {
			return false
		}
	}
	return true
}

// bind does what a scheduler would. If it fails, another node was faster or the Pod has gone.
func (n *Node) bind(ctx context.Context, p *corev1.Pod) {
	_ = n.client.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: n.opts.Name},
	}, metav1.CreateOptions{})
}

// find returns the Pod with this name that is there now, or was last.
func (n *Node) find(namespace, name string) (*pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var latest *pod
	for _, p := range n.pods {
		if p.object.Namespace == namespace && p.object.Name == name && (latest == nil || latest.object.CreationTimestamp.Before(&p.object.CreationTimestamp)) {
			latest = p
		}
	}
	if latest == nil {
		return nil, fmt.Errorf("the node %s runs no Pod %s/%s", n.opts.Name, namespace, name)
	}
	return latest, nil
}

// Signal sends a signal to the processes of a Pod: a SIGKILL is a crash, a SIGSTOP a machine that stalls.
func (n *Node) Signal(namespace, name string, signal os.Signal) error {
	p, err := n.find(namespace, name)
	if err != nil {
		return err
	}
	for _, c := range p.containers {
		err = errors.Join(err, c.signal(signal))
	}
	return err
}

// Instance returns a container of a Pod that runs or ran here, which tells at which addresses it listens. An empty name means the first.
func (n *Node) Instance(namespace, name, container string) (Instance, error) {
	p, err := n.find(namespace, name)
	if err != nil {
		return Instance{}, err
	}
	for _, c := range p.containers {
		if container == "" || c.spec.Name == container {
			return c.instance(), nil
		}
	}
	return Instance{}, fmt.Errorf("the Pod %s/%s has no container %s", namespace, name, container)
}

// Log returns what the containers of a Pod have written, restarts included.
func (n *Node) Log(namespace, name string) (string, error) {
	p, err := n.find(namespace, name)
	if err != nil {
		return "", err
	}
	var all []byte
	for _, c := range p.containers {
		text, err := os.ReadFile(c.log)
		if err != nil && !os.IsNotExist(err) {
			return "", err
		}
		all = append(all, text...)
	}
	return string(all), nil
}

// Logs is the directory of the Pods' logs, which stay when the Pods have gone.
func (n *Node) Logs() string { return filepath.Join(n.opts.Dir, "logs") }
