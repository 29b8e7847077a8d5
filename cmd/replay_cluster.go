package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// clusterTime bounds how long it takes to list what a cluster has of policies and Namespaces: some thousands are listed in a second or two.
const clusterTime = 30 * time.Second

// replayCluster is what is taken of a cluster, once.
type replayCluster struct {
	config   *rest.Config
	bundle   policies.Bundle
	troubles []string // why not all policies are known
	known    map[string]policies.Namespace
}

func (c *replayCluster) namespaces(name string) (policies.Namespace, bool) {
	ns, ok := c.known[name]
	return ns, ok
}

// replaying reads the Namespaces of the cluster and, if they are asked, its policies, ours and Gatekeeper's.
func (c *clusterFlags) replaying(ctx context.Context, asked bool) (*replayCluster, error) {
	c.name = defaultName
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	out := &replayCluster{config: config, known: map[string]policies.Namespace{}}
	if err := out.list(ctx, config); err != nil || !asked {
		return out, err
	}
	sources, troubles, err := policiesOf(ctx, config)
	if err != nil {
		return nil, err
	}
	out.troubles = troubles
	for _, from := range sources {
		bundle, err := firstOf(ctx, from)
		if err != nil {
			return nil, err
		}
		out.bundle.Specs = slices.Concat(out.bundle.Specs, bundle.Specs)
		out.bundle.Exceptions = slices.Concat(out.bundle.Exceptions, bundle.Exceptions)
		out.bundle.Documents = slices.Concat(out.bundle.Documents, bundle.Documents)
		out.bundle.Notes = slices.Concat(out.bundle.Notes, bundle.Notes)
		out.bundle.Faults = slices.Concat(out.bundle.Faults, bundle.Faults)
	}
	return out, nil
}

// policiesOf are the sources of what a server in the cluster would have in force. The troubles are why some of it cannot be known.
func policiesOf(ctx context.Context, config *rest.Config) (sources []policies.Source, troubles []string, err error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	reader, err := NewReader()
	if err != nil {
		return nil, nil, err
	}
	looking := &onlooker{config: config, kinds: client.Discovery()}
	shipped := looking.installed(ctx, client, reader)
	sources = append(sources, shipped)
	silent := slog.New(slog.DiscardHandler)
	switch served, err := looking.serves(v1alpha1.GroupVersion().String()); {
	case err != nil:
		return nil, nil, err
	case served:
		sources = append(sources, &source.Objects{Client: objects, Reader: reader, ConfigMaps: shipped.configMaps, Log: silent})
	}
	switch served, err := looking.serves("templates.gatekeeper.sh/v1"); {
	case err != nil:
		return nil, nil, err
	case served:
		theirs, err := source.NewGatekeeper(config, &gatekeeper.Reader{Operations: gatekeeperOperations()}, []string{gatekeeperNamespace}, silent)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, theirs)
	}
	return sources, looking.troubles, nil
}

// firstOf is the first bundle of a source.
func firstOf(ctx context.Context, from policies.Source) (bundle policies.Bundle, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	found := false
	err = from.Run(running, func(b policies.Bundle) {
		if !found {
			bundle, found = b, true
		}
		stop()
	})
	if err != nil || found {
		return bundle, err
	}
	if waiting, ok := from.(interface{ Ready() error }); ok && waiting.Ready() != nil {
		return bundle, fmt.Errorf("the cluster's policies cannot be listed: %w", waiting.Ready())
	}
	return bundle, ctx.Err()
}

// list reads the Namespaces.
func (c *replayCluster) list(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	options := metav1.ListOptions{Limit: 500}
	for {
		page, err := client.CoreV1().Namespaces().List(ctx, options)
		if err != nil {
			return fmt.Errorf("the cluster's Namespaces cannot be listed: %w", err)
		}
		for i := range page.Items {
			if err := c.learn(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

func (c *replayCluster) learn(ns *corev1.Namespace) error {
	ns.APIVersion, ns.Kind, ns.ManagedFields = "v1", "Namespace", nil
	text, err := json.Marshal(ns)
	if err != nil {
		return err
	}
	value, err := policies.ParseValue(text)
	if err != nil {
		return fmt.Errorf("the Namespace %s cannot be read: %w", ns.Name, err)
	}
	c.known[ns.Name] = policies.Namespace{Labels: ns.Labels, Object: value}
	return nil
}
