package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/audit/reports"
	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/certs/certmanager"
	"github.com/portcullis-dev/portcullis/policies"
	theirstatus "github.com/portcullis-dev/portcullis/policies/gatekeeper/status"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/sentinel"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook"
	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// member is what a server has beside the rest when it works with a cluster. Every replica reads what it needs there, and says in its Lease
// what it serves; one of them, the leader, writes. Which parts there are depends on the flags.
type member struct {
	flags   *memberFlags
	exempt  []string
	log     *slog.Logger
	metrics *Metrics
	// gatekeeper says who decides by Gatekeeper's policies.
	gatekeeper gatekeeperEnforcement

	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface

	namespaces *namespaces
	store      *inventory.Store // the objects that policies read
	inventory  *source.Inventory
	settled    *settled           // what the Config and the SyncSets say
	replicas   *replicas.Replicas // nil unless there is something to write
	objects    *source.Objects    // nil without --cluster-policies
	lastGood   *source.LastGood   // nil without --cluster-policies
	theirs     *theirs            // nil without --gatekeeper
	auditor    *auditor           // nil without --audit
	reports    *reports.Writer    // nil where no reports are kept
	collector  *reports.Collector // nil without replicas, too
	reported   *reportMetrics     // nil where no reports are kept
	losses     losses             // as the leader has seen them
	underWay   atomic.Int64       // requests
	// theirStatus is nil without --gatekeeper, and theirVersions are the objects that loaded is about.
	theirStatus   *theirstatus.Writer
	theirVersions source.Versions

	keeping  *keeping      // nil without --state-dir
	pair     *certs.Secret // nil unless the certificate is kept in the cluster
	ledger   status.Ledger
	counts   *status.Counts // nil without --cluster-policies
	status   *status.Writer
	mutators *Mutators
	sentinel *sentinel.Sentinel       // nil without --register
	keeper   *registration.Keeper     // nil without --register
	rotation *certs.Rotation          // nil unless the certificate is made here and kept in the cluster
	request  *certmanager.Certificate // nil unless cert-manager makes it
	served   *servedKinds             // nil without --register
	identity identity

	heard   stages
	untied  sync.Once // it was told that what is made here stays
	unowned unowned

	mu       sync.Mutex
	loaded   policies.Load
	standing *registration.Standing // of the registration; nil while this server does not know, as when another leads
}

// join returns what works with the cluster of the flags; stored says that the server's certificate is kept there. The cluster is not called before the parts run.
func (f *memberFlags) join(stored bool, exempt []string, reader *native.Reader, m *Metrics, log *slog.Logger) (*member, error) {
	if err := f.complete(stored); err != nil {
		return nil, err
	}
	slog.SetDefault(log) // what client-go has to say belongs into one log, in one format; see logClients
	c := &member{flags: f, exempt: f.spared(exempt), log: log, metrics: m}
	var err error
	if c.config, err = f.config(); err != nil {
		return nil, err
	}
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return nil, fmt.Errorf("the cluster: %w", err)
	}
	if c.dynamic, err = dynamic.NewForConfig(c.config); err != nil {
		return nil, fmt.Errorf("the cluster: %w", err)
	}
	if c.namespaces, err = newNamespaces(c.config, log); err != nil {
		return nil, err
	}
	c.store = &inventory.Store{}
	if c.inventory, err = source.NewInventory(c.config, c.store, log); err != nil {
		return nil, err
	}
	if err := m.inventory(c.store); err != nil {
		return nil, err
	}
	if f.policies {
		c.objects = &source.Objects{Client: c.dynamic, Reader: reader, ConfigMaps: append([]string{f.namespace}, f.configMaps...), Log: log}
	}
	if f.policies {
		c.lastGood = source.NewLastGood(c.dynamic, f.namespace, f.name+"-last-good", c.objects, log)
		c.lastGood.Owner = c.awaitOwner
		c.objects.LastGood = types.NamespacedName{Namespace: f.namespace, Name: f.name + "-last-good"}
	}
	if f.gatekeeper {
		if c.theirs, err = newTheirs(c); err != nil {
			return nil, err
		}
		c.theirStatus = newTheirStatus(c)
		if c.lastGood != nil {
			c.theirs.objects.LastGood, c.lastGood.Gatekeeper = c.objects.LastGood, c.theirs.objects
			c.theirs.objects.Settled = func() {
				c.lastGood.Wake()
				c.keeping.wake()
			}
		}
	}
	if f.stateDir != "" {
		if c.keeping, err = newKeeping(c, stored); err != nil {
			return nil, err
		}
	}
	if err := m.Registry.Register(c.unowned.metric()); err != nil {
		return nil, err
	}
	if f.policies || f.register {
		if c.replicas, err = replicas.New(c.reporting(), c.wake); err != nil {
			return nil, err
		}
	}
	if f.audit {
		if c.auditor, err = c.audits(&c.underWay); err != nil {
			return nil, err
		}
		c.namespaces.changed = c.auditor.relabelled
	}
	if err := c.keepReports(); err != nil {
		return nil, err
	}
	if f.policies {
		c.status = status.NewWriter(c.dynamic, &c.ledger, c.serving, log)
		c.status.ConfigMaps, c.status.Inventory = c.objects.ConfigMaps, c.store.Snapshot
		c.status.Asking, c.status.Reports = c.asking, c.replicas.Reports
	}
	return c, nil
}

func (c *member) group() replicas.Options {
	return replicas.Options{Client: c.client, Namespace: c.flags.namespace, Name: c.flags.name, Replica: c.flags.replica, Owner: c.ownerOfLease, Log: c.log}
}

// feed has the loader take the policies of the cluster, refuse those that the cluster could not live with, and tell what came of it.
// The mutators are those that come into force with what is loaded.
func (c *member) feed(loader *policies.Loader, theirs *Mutators) error {
	c.mutators = theirs
	loader.Options = append(loader.Options, policies.WithNamespaces(c.namespaces.lookup), policies.WithArrivals(c.namespaces.await), policies.WithInventory(c.store))
	loader.Prepare = func(ctx context.Context, set *policies.Set) {
		if c.standsIn() { // who does not answer is not waited for
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 0)
			defer cancel()
		}
		c.inventory.Prepare(ctx, set.Needs())
	}
	if c.objects != nil {
		loader.Sources = append(loader.Sources, c.objects)
	}
	if c.theirs != nil {
		loader.Sources = append(loader.Sources, c.theirs.objects)
	}
	if c.flags.register {
		judge, err := sentinel.New(sentinel.Options{Namespace: c.flags.namespace, Name: c.flags.name, Exempt: c.exempt})
		if err != nil {
			return err
		}
		c.sentinel = judge
		loader.Gate = c.gatekeeper.easeCheck(judge.Check, c.log)
	}
	report := loader.Report
	loader.Report = func(load policies.Load) {
		report(load)
		if load.Set != nil {
			c.inventory.Follow(load.Set.Needs())
			c.auditor.use(load.Set)
		}
		c.mu.Lock()
		c.loaded = load
		if c.theirs != nil {
			c.theirVersions = c.theirs.objects.Versions()
			c.theirs.objects.Loaded(load)
		}
		c.mu.Unlock()
		if c.objects != nil {
			c.ledger.Loaded(load, c.objectVersions())
			c.follow(load.Set)
			c.objects.Loaded(load)
			c.lastGood.Wake()
		}
		c.keeping.wake()
		c.tell()
	}
	return nil
}

// tell says in the Lease what this server serves, and has the writers look.
func (c *member) tell() {
	if c.replicas == nil {
		return
	}
	c.mu.Lock()
	state := replicas.State{}
	if set := c.loaded.Set; set != nil {
		state.Revision, state.Policies = set.Revision(), c.stamps(set)
	}
	c.mu.Unlock()
	state.Pages = c.flags.uiAddress()
	state.Heard = strings.Join(c.heard.list(), ",")
	if c.identity.source != nil {
		state.Certificate = registration.Fingerprint(c.identity.source.CABundle())
	}
	c.replicas.Serve(state)
	c.wake()
}

// wake has the writers look at once.
func (c *member) wake() {
	if c.keeper != nil {
		c.keeper.Wake()
	}
	if c.status != nil {
		c.status.Wake()
	}
	if c.theirStatus != nil {
		c.theirStatus.Wake()
	}
}

// keep makes the keeper of the registration.
func (c *member) keep(who identity) error {
	c.identity = who
	if !c.flags.register {
		return nil
	}
	options, err := c.flags.registration(c.exempt)
	if err != nil {
		return err
	}
	options.Annotations[enforcementAnnotation] = string(c.gatekeeper)
	metrics, err := registration.NewMetrics(c.metrics.Registry)
	if err != nil {
		return err
	}
	bundle := func() ([]byte, bool) { return who.source.CABundle(), who.source.Ready() }
	if c.rotation != nil {
		bundle = func() ([]byte, bool) {
			pem := c.rotation.CABundle()
			return pem, len(pem) > 0
		}
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return fmt.Errorf("the client for the cluster's kinds: %w", err)
	}
	c.served = newServed(kinds, c.wake, c.log)
	c.keeper = registration.NewKeeper(c.dynamic, options, registration.Inputs{
		Wanted: c.wanted, Bundle: bundle, Owner: c.ownerOfRegistration, Lease: c.flags.name + "-leader", Report: func(s registration.Standing) { c.stand(&s) },
	}, metrics, c.log, time.Now)
	return nil
}

// endpoints are those that the API server calls about Portcullis itself. They do not pass the list of decorators: what they are asked about
// lies in an exempt namespace, or is no policy's business.
func (c *member) endpoints(engine *policies.Engine) []webhook.Endpoint {
	var out []webhook.Endpoint
	if c.keeper != nil {
		out = append(out, webhook.Endpoint{
			Stage: review.Validate, Path: registration.ProbePath, MaxBody: webhook.DefaultMaxAdmission, Deadline: 2 * time.Second,
			Dialect:  review.DialectValidate,
			Reviewer: registration.Answering(c.flags.replica, c.identity.source.CABundle), Close: true,
		})
	}
	if c.objects != nil {
		gate := &source.Gate{Objects: c.objects, Engine: engine, Warn: c.warnings}
		if c.sentinel != nil {
			gate.Check = c.sentinel.Check
		}
		out = append(out, webhook.Endpoint{
			Stage: review.Validate, Path: registration.PoliciesPath, MaxBody: webhook.DefaultMaxAdmission, Deadline: 10 * time.Second,
			Dialect:  review.DialectValidate,
			Reviewer: c.gatekeeper.easeGate(source.Gates{Own: gate, Gatekeeper: c.theirs.gate(c, engine)}),
		})
	}
	return out
}

// checks are what a server must know of the cluster before it is ready.
func (c *member) checks() []webhook.Check {
	checks := []webhook.Check{{Name: "namespaces", Check: c.namespaces.ready}, {Name: "inventory", Check: c.inventory.Ready, Note: c.inventory.Note}}
	if c.objects != nil {
		checks = append(checks, webhook.Check{Name: "cluster-policies", Check: c.objects.Ready})
	}
	if c.theirs != nil {
		checks = append(checks, webhook.Check{Name: "gatekeeper", Check: c.theirs.objects.Ready})
	}
	if c.keeping != nil {
		checks = append(checks, webhook.Check{Name: "state", Check: func() error { return nil }, Note: c.keeping.note})
	}
	return checks
}

// parts run as long as the server.
func (c *member) parts() []func(context.Context) error {
	parts := []func(context.Context) error{c.namespaces.start, c.inventory.Run}
	if c.keeping != nil {
		parts = append(parts, c.keeping.run)
	}
	if c.auditor != nil {
		parts = append(parts, c.auditor.run)
		if c.theirs != nil {
			parts = append(parts, c.theirAudit().RunPart)
		}
	}
	if c.reports != nil {
		parts = append(parts, c.reports.Run)
	}
	if c.replicas != nil {
		parts = append(parts, c.replicas.Run, c.watchBundle, func(ctx context.Context) error { return replicas.Lead(ctx, c.group(), c.lead) })
	}
	return parts
}

// watchBundle tells the others, and the writers, when the authorities have changed that this server would have callers trust.
func (c *member) watchBundle(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	before := ""
	for {
		now := registration.Fingerprint(c.identity.source.CABundle())
		if c.rotation != nil {
			now += registration.Fingerprint(c.rotation.CABundle())
		}
		if now != before {
			before = now
			c.tell()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
