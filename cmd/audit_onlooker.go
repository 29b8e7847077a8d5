package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// onlooker knows of a cluster what a server knows by which it judges, and writes nothing.
type onlooker struct {
	config     *rest.Config
	kinds      discovery.DiscoveryInterface
	namespaces *namespaces
	blind      bool // the namespaces may not be listed
	inventory  *source.Inventory
	loader     policies.Loader
	troubles   []string // why not all policies are known

	mu   sync.Mutex
	load *policies.Load // the last; nil before there was one
}

// The times an onlooker waits: for the policies, without which there is nothing to do, and for what they read beside an object, without which some
// have no answer.
const (
	awaitPolicies = time.Minute
	awaitData     = 20 * time.Second
)

// newOnlooker looks at a cluster, with its own policies or with those of a source, for which its exceptions hold all the same.
func newOnlooker(ctx context.Context, config *rest.Config, from *source.Files) (*onlooker, error) {
	log := slog.New(slog.DiscardHandler) // what is wrong is in the report
	o := &onlooker{config: config}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the cluster: %w", err)
	}
	o.kinds = client.Discovery()
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the cluster: %w", err)
	}
	// Asked once before anything waits for it: whether the cluster can be reached, and lets itself be looked at.
	_, err = client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
	if o.blind = apierrors.IsForbidden(err); err != nil && !o.blind {
		return nil, fmt.Errorf("the cluster's namespaces cannot be listed: %w", err)
	}
	if o.namespaces, err = newNamespaces(config, log); err != nil {
		return nil, err
	}
	store := &inventory.Store{}
	if o.inventory, err = source.NewInventory(config, store, log); err != nil {
		return nil, err
	}
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	own := &source.Objects{Client: objects, Reader: reader, Log: log}
	served, err := o.serves(v1alpha1.GroupVersion().String())
	if err != nil {
		return nil, err
	}
	for _, kind := range []string{"policies", "policyexceptions"} {
		if !served {
			break
		}
		_, err := objects.Resource(v1alpha1.GroupVersion().WithResource(kind)).List(ctx, metav1.ListOptions{Limit: 1})
		switch {
		case apierrors.IsForbidden(err) && from != nil: // who has rights in a namespace alone judges by policies that are no objects
			o.troubles = append(o.troubles, fmt.Sprintf("The cluster's exceptions are not known, so that what they except is not shown as excepted: %v.", err))
			served = false
		case apierrors.IsForbidden(err):
			return nil, fmt.Errorf("the cluster's %s cannot be listed, so that --policies is needed: %w", kind, err)
		case err != nil:
			return nil, fmt.Errorf("the cluster's %s cannot be listed: %w", kind, err)
		}
	}
	if from != nil {
		o.loader.Sources = append(o.loader.Sources, from)
		if served {
			o.loader.Sources = append(o.loader.Sources, exceptionsOf(own))
		}
		o.configure(store, log)
		return o, nil
	}
	installed := o.installed(ctx, client, reader)
	own.ConfigMaps = installed.configMaps
	if served {
		o.loader.Sources = append(o.loader.Sources, own)
	}
	if len(installed.files) > 0 {
		o.loader.Sources = append(o.loader.Sources, installed)
	}
	if served, err = o.serves("templates.gatekeeper.sh/v1"); err != nil {
		return nil, err
	}
	if served {
		theirs, err := source.NewGatekeeper(config, &gatekeeper.Reader{Operations: gatekeeperOperations()}, []string{gatekeeperNamespace}, log)
		if err != nil {
			return nil, err
		}
		o.loader.Sources = append(o.loader.Sources, theirs)
	}
	if len(o.loader.Sources) == 0 {
		return nil, errors.New("the cluster knows neither the kind Policy nor Gatekeeper's; add --policies DIR, --policies FILE or --policies library:NAME")
	}
	o.configure(store, log)
	return o, nil
}

func (o *onlooker) configure(store *inventory.Store, log *slog.Logger) {
	o.loader.Engine, o.loader.Suffice = &policies.Engine{}, anyMutator
	o.loader.Options = []policies.Option{policies.WithNamespaces(o.namespaces.lookup), policies.WithInventory(store)}
	beside := newBeside(&Mutators{surroundings: surroundings{namespaces: o.namespaces.lookup}, log: log}, external.Options{}, log)
	o.loader.Configure = beside.configure
	o.loader.Prepare = func(ctx context.Context, set *policies.Set) { o.inventory.Prepare(ctx, set.Needs()) }
	o.loader.Report = func(load policies.Load) {
		if load.Set != nil {
			o.inventory.Follow(load.Set.Needs())
		}
		o.mu.Lock()
		o.load = &load
		o.mu.Unlock()
	}
	beside.settings.sync(&o.loader, o.inventory)
}

// serves reports whether the cluster has a version of an API.
func (o *onlooker) serves(version string) (bool, error) {
	_, err := o.kinds.ServerResourcesForGroupVersion(version)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the cluster does not tell its kinds: %w", err)
	}
	return true, nil
}

// exceptionsOf has the exceptions of a source, and none of its policies.
func exceptionsOf(from policies.Source) policies.Source {
	return policies.SourceFunc(func(ctx context.Context, yield func(policies.Bundle)) error {
		return from.Run(ctx, func(b policies.Bundle) { yield(policies.Bundle{Exceptions: b.Exceptions, Listed: true}) })
	})
}

// look runs until ctx ends, and returns in between what policies there are.
func (o *onlooker) look(ctx context.Context, shown *progress) (policies.Load, error) {
	failed := make(chan error, 3)
	for _, part := range []func(context.Context) error{o.namespaces.start, o.inventory.Run, o.loader.Run} {
		go func() {
			if err := part(ctx); err != nil {
				failed <- err
			}
		}()
	}
	begun, ticker := time.Now(), time.NewTicker(10*time.Millisecond)
	defer ticker.Stop()
	for {
		shown.tell("seconds waited for the cluster's policies, and what they read", int(time.Since(begun).Seconds()), 0)
		o.mu.Lock()
		load := o.load
		o.mu.Unlock()
		known := (o.blind || o.namespaces.ready() == nil) && o.inventory.Ready() == nil
		switch {
		case load != nil && load.Set != nil && (known || time.Since(begun) > awaitData):
			return *load, nil
		case load != nil && load.Set == nil && len(load.Faults) > 0:
			return *load, load.Faults
		case time.Since(begun) > awaitPolicies:
			return policies.Load{}, fmt.Errorf("the cluster's policies could not be read in %s: %w", awaitPolicies, o.missing())
		}
		select {
		case <-ctx.Done():
			return policies.Load{}, ctx.Err()
		case err := <-failed:
			return policies.Load{}, err
		case <-ticker.C:
		}
	}
}

// missing is what the sources wait for.
func (o *onlooker) missing() error {
	var all []error
	for _, s := range o.loader.Sources {
		if waiting, ok := s.(interface{ Ready() error }); ok {
			all = append(all, waiting.Ready())
		}
	}
	if all = slices.DeleteFunc(all, func(err error) bool { return err == nil }); len(all) == 0 {
		return errors.New("no answer")
	}
	return errors.Join(all...)
}
