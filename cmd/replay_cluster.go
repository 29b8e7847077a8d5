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
)

// clusterTime bounds how long it takes to list what a cluster has of policies and Namespaces: some thousands are listed in a second or two.
const clusterTime = 30 * time.Second

// replayCluster is what is taken of a cluster, once.
type replayCluster struct {
	bundle policies.Bundle
	known  map[string]policies.Namespace
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
	out := &replayCluster{known: map[string]policies.Namespace{}}
	if err := out.list(ctx, config); err != nil || !asked {
		return out, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	silent := slog.New(slog.DiscardHandler)
	theirs, err := source.NewGatekeeper(config, &gatekeeper.Reader{Operations: gatekeeperOperations()}, []string{defaultNamespace, "gatekeeper-system"}, silent)
	if err != nil {
		return nil, err
	}
	ours := &source.Objects{Client: client, Reader: reader, ConfigMaps: []string{defaultNamespace}, Log: silent}
	for _, from := range []interface {
		policies.Source
		Ready() error
	}{ours, theirs} {
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

// firstOf is the first bundle of a source.
func firstOf(ctx context.Context, from interface {
	policies.Source
	Ready() error
},
) (bundle policies.Bundle, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	found := false
	err = from.Run(running, func(b policies.Bundle) {
		if !found {
			bundle, found = b, true
		}
		stop()
	})
	switch {
	case err != nil, found:
		return bundle, err
	case from.Ready() != nil:
		return bundle, fmt.Errorf("the cluster's policies cannot be listed: %w", from.Ready())
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
