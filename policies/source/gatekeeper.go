package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// Gatekeeper is a Source of Gatekeeper's objects in a cluster: templates, the constraints of each, and what goes with them, as mutators,
// ExpansionTemplates, Providers, Config and SyncSets. They are read as one bundle and again when one of them changes. Messages call them by
// kind and name, "constrainttemplate/NAME"; rows are those of the Rego.
//
// Kinds that the cluster does not have are nothing wrong: they are followed from when it has them. It yields nothing before everything that
// it has was listed once; the constraints of a template whose CRD is still to be made are waited for, for half a minute. What was read stays
// while the API server cannot be reached and when a kind vanishes with all its objects, as that of Objects does. Constraints go with their
// template.
type Gatekeeper struct {
	// Reader reads the objects. Directories have another one.
	Reader *gatekeeper.Reader
	// Kept are the files to yield if the cluster cannot be listed in time, until it can. Nil is nothing.
	Kept *Kept
	// LastGood is the Secret in which a LastGood keeps earlier versions of what is faulty; the zero value is none.
	LastGood types.NamespacedName
	// Settled, if it is not nil, is called when a bundle was loaded, and it is known which of its files are good. It must not block.
	Settled func()
	Log     *slog.Logger

	client     dynamic.Interface
	kinds      servedGroups
	crds       *crdWatch
	namespaces []string      // of which a Config counts: whoever may write one elsewhere must not decide what policies see
	patience   time.Duration // for which a template waits for its CRD before that is a fault

	mu        sync.Mutex
	files     []native.File // as last yielded
	documents []policies.Document
	waiting   error // why nothing has been yielded yet
	begun     bool  // something has
	live      bool  // that was listed by the cluster
	templates []ownTemplate
	store     cache.Store // of the templates as they are now
	known     bool        // what templates there are
	served    servedThere
	followed  []Followed
	good      theirGood
	changed   []func() // called when the objects, or what there is of their CRDs, may have changed
}

// ownTemplate is a template of the cluster that was accepted.
type ownTemplate struct {
	*gatekeeper.Template
	owner metav1.OwnerReference // with which its CRD goes
}

// NewGatekeeper returns a Source of the objects in the cluster of config, in which a Config counts in the namespaces given. It needs list
// and watch for all of Gatekeeper's groups and for CRDs, and get for CRDs. The cluster is not called before Run.
func NewGatekeeper(config *rest.Config, reader *gatekeeper.Reader, namespaces []string, log *slog.Logger) (*Gatekeeper, error) {
	own := rest.CopyConfig(config)
	own.QPS, own.Burst = 50, 200 // each kind of constraint is listed at the start
	shared, err := rest.HTTPClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("the client for Gatekeeper's objects: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(own, shared)
	if err != nil {
		return nil, fmt.Errorf("the client for the cluster's kinds: %w", err)
	}
	objects, err := dynamic.NewForConfigAndClient(own, shared)
	if err != nil {
		return nil, fmt.Errorf("the client for Gatekeeper's objects: %w", err)
	}
	names, err := metadata.NewForConfigAndClient(own, shared)
	if err != nil {
		return nil, fmt.Errorf("the client for the metadata of CRDs: %w", err)
	}
	return newGatekeeper(objects, names, kinds, reader, namespaces, log), nil
}

func newGatekeeper(
	objects dynamic.Interface, names metadata.Interface, kinds servedGroups, reader *gatekeeper.Reader, namespaces []string, log *slog.Logger,
) *Gatekeeper {
	return &Gatekeeper{client: objects, kinds: kinds, crds: watchCRDs(names), Reader: reader, namespaces: namespaces, patience: crdTime, Log: log}
}

// Ready returns why nothing has been yielded yet, or nil once something has.
func (g *Gatekeeper) Ready() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.begun:
		return nil
	case g.waiting != nil:
		return g.waiting
	}
	return errTheirsNotListed
}

var errTheirsNotListed = errors.New("the cluster's objects of Gatekeeper's have not been listed yet")

// Live reports whether what was yielded last was listed by the cluster. It is not before anything was, nor while what was kept stands in.
func (g *Gatekeeper) Live() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live
}

// Versions returns those of the bundle that was yielded last; see Objects.Versions.
func (g *Gatekeeper) Versions() Versions {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := Versions{}
	for _, file := range g.files {
		out[file.Name] = version(file)
	}
	return out
}

// Served reports whether the API server takes constraints of a template.
func (g *Gatekeeper) Served(template string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.served.constraints(template)
	return ok
}

// Keep returns the files of the last bundle, with the last good versions of those that are faulty, for a server that is started while the API server
// is away; nil before the cluster's were listed.
func (g *Gatekeeper) Keep() *Kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.live {
		return nil
	}
	return &Kept{Files: append([]native.File{}, g.files...), Good: g.good.of(g.files)}
}

// accepted returns the templates that were accepted, in the order of their names; false while that is not known, or what is known is of before.
func (g *Gatekeeper) accepted() ([]ownTemplate, bool) {
	g.mu.Lock()
	templates, store, known := g.templates, g.store, g.known
	g.mu.Unlock()
	if !known {
		return nil, false
	}
	return slices.DeleteFunc(slices.Clone(templates), func(t ownTemplate) bool {
		u := templateIn(store, t.Name) // which knows sooner: what goes with a template must not be made again
		return u == nil || u.GetUID() != t.owner.UID || u.GetDeletionTimestamp() != nil
	}), true
}

// templateIn returns a template of the cluster, nil if it is not there.
func templateIn(store cache.Store, name string) *unstructured.Unstructured {
	object, _, _ := store.GetByKey(name)
	u, _ := object.(*unstructured.Unstructured)
	return u
}

// filesOf are the files of an object: one, or none if it counts for nothing, as a template that is being deleted, whose CRD may be gone already.
func (g *Gatekeeper) filesOf(u *unstructured.Unstructured) []native.File {
	if u.GetKind() == theTemplates().kind && u.GetDeletionTimestamp() != nil {
		return nil
	}
	if namespace := u.GetNamespace(); namespace != "" && !slices.Contains(g.namespaces, namespace) {
		return nil
	}
	return []native.File{gatekeeperFile(u)}
}

// attempt is what one look at the cluster came to.
type attempt struct {
	files   []native.File
	faults  policies.Faults
	waiting error // why it is no bundle yet
}

// Run yields the bundle once everything is listed, and after each change. It returns nil when ctx ends: whatever is wrong with the cluster may
// be mended.
func (g *Gatekeeper) Run(ctx context.Context, yield func(policies.Bundle)) error {
	f := &theirFollower{of: g, changed: make(chan struct{}, 1), own: map[gatekeeperKind]*followedKind{}, constraints: map[string]*followedKind{}}
	defer f.begun.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.begun.Go(func() {
		g.crds.run(ctx, func() {
			(&kind{changed: f.changed}).signal()
			g.tell()
		})
	})
	lastGood := lastGoodKind(g.client, g.LastGood, g.Log, f.changed, theirFileOf)
	if lastGood != nil {
		f.begun.Go(func() { lastGood.run(ctx) })
	}
	var lacked lacked
	var read gatekeeper.Reading
	var readFrom, before [sha256.Size]byte
	for began := time.Now(); heard(ctx, f.changed, min(f.rest(), g.pause(began))); {
		now := g.attempt(ctx, f, func(files []native.File) gatekeeper.Reading {
			if sum := digest(files, nil); sum != readFrom {
				read, readFrom = g.Reader.Read(ctx, gatekeeperDocuments(files)), sum
			}
			return read
		})
		var earlier []native.File
		if now.waiting == nil {
			earlier, now.waiting = lacked.earlier(ctx, lastGood, g.Live(), g.Log)
		}
		switch {
		case ctx.Err() != nil:
		case now.waiting != nil:
			g.wait(now.waiting)
			if bundle, ok := g.standIn(ctx, began); ok {
				yield(bundle)
			}
		default:
			if sum := digest(slices.Concat(now.files, earlier), now.faults); sum != before || !g.Live() {
				before = sum
				bundle := g.bundle(now.files, read, now.faults)
				g.remember(ctx, &bundle, now.files, earlier)
				yield(bundle)
				g.settle(now.files)
			}
		}
	}
	return nil
}

// attempt looks at the cluster once.
func (g *Gatekeeper) attempt(ctx context.Context, f *theirFollower, read func([]native.File) gatekeeper.Reading) (out attempt) {
	if err := f.look(ctx); err != nil {
		if f.served == nil {
			return attempt{waiting: fmt.Errorf("the cluster has not said yet which of Gatekeeper's kinds it serves: %w", err)}
		}
		out.faults = append(out.faults, policies.Fault{Policy: "gatekeeper", Err: fmt.Errorf("it cannot be told which of Gatekeeper's kinds the cluster serves now: %w", err)})
	}
	f.adjust(ctx, f.templates(ctx))
	files, troubles, unlisted := f.read(ctx)
	if size := sizeOf(files); len(files) > maxFiles || size > maxBytes {
		out.faults = append(out.faults, policies.Fault{Policy: "gatekeeper", Err: fmt.Errorf(
			"the cluster's objects of Gatekeeper's are %d of %d MiB, more than %d or %d MiB; what was read before stays", len(files), size>>20, maxFiles, maxBytes>>20)})
		files, _ = g.read()
	}
	out.files = files
	for _, t := range troubles { // with a name, or else it would be about all that the cluster has
		out.faults = append(out.faults, policies.Fault{Policy: t.of, Err: t.why})
	}
	if err := g.crds.fault(); err != nil {
		out.faults = append(out.faults, policies.Fault{Policy: crdResource().GroupResource().String(), Err: err})
	}
	g.publish(f, read(files).Templates)
	faults, waiting := g.missing(f)
	out.faults = append(out.faults, faults...)
	if _, begun := g.read(); !begun || !g.Live() {
		switch {
		case errors.Is(unlisted, errNotListed):
			out.waiting = errTheirsNotListed
		case unlisted != nil:
			out.waiting = unlisted
		default:
			out.waiting = waiting
		}
	}
	return out
}

// publish tells which templates were accepted, and by what their CRDs are owned.
func (g *Gatekeeper) publish(f *theirFollower, templates []*gatekeeper.Template) {
	var out []ownTemplate
	own := f.own[theTemplates()]
	for _, t := range templates {
		u := templateIn(own.informer.GetStore(), t.Name)
		if u == nil {
			continue
		}
		out = append(out, ownTemplate{t, metav1.OwnerReference{
			APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Name: u.GetName(), UID: u.GetUID(), Controller: new(true), BlockOwnerDeletion: new(true),
		}})
	}
	known := f.served != nil && own != nil && own.informer.HasSynced() && own.healthy()
	g.mu.Lock()
	if g.templates, g.known, g.served = out, known, f.served; own != nil {
		g.store = own.informer.GetStore()
	}
	g.followed = f.followed()
	g.mu.Unlock()
	g.tell()
}

// healthy reports whether the kind is followed now.
func (k *kind) healthy() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trouble == nil
}

func (g *Gatekeeper) tell() {
	g.mu.Lock()
	changed := g.changed
	g.mu.Unlock()
	for _, f := range changed {
		f()
	}
}

// missing says of which templates the constraints cannot be read, and which of them should be waited for still.
func (g *Gatekeeper) missing(f *theirFollower) (faults policies.Faults, waiting error) {
	templates, _ := g.accepted()
	for _, t := range templates {
		fault := policies.Fault{File: GatekeeperFileName(theTemplates().kind, t.Name), Policy: t.Name}
		since, missing := f.missing[t.Name]
		switch {
		case f.constraints[t.Name] != nil:
			continue
		case g.crds.foreign(t.Name):
			fault.Err = fmt.Errorf("%s: there is a CRD %s that is not of constraints, for it lacks the label %s; it is left alone, and constraints of this kind are not read; "+
				"delete it, or give the template another kind", fault.File, crdOf(t.Name), constraintLabel)
		case missing && time.Since(since) < g.patience:
			if waiting == nil {
				waiting = fmt.Errorf("%s: its constraints are read when the cluster serves them, which the CRD %s is for", fault.File, crdOf(t.Name))
			}
			continue
		case missing:
			fault.Err = fmt.Errorf("%s: its constraints cannot be read, for the cluster does not serve them; the replica that leads makes the CRD %s, "+
				"and says in its log if it cannot", fault.File, crdOf(t.Name))
		default: // of more than can be followed
			fault.Err = fmt.Errorf("%s: its constraints are not read: there are more than %d templates", fault.File, maxConstraintKinds)
		}
		faults = append(faults, fault)
	}
	return faults, waiting
}

// bundle is what came of reading files that the cluster has listed.
func (g *Gatekeeper) bundle(files []native.File, read gatekeeper.Reading, faults policies.Faults) policies.Bundle {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files, g.documents, g.begun, g.live = files, read.Documents, true, true
	return bundleOf(read, faults)
}

func bundleOf(read gatekeeper.Reading, faults policies.Faults) policies.Bundle {
	return policies.Bundle{
		Specs: read.Specs, Documents: read.Documents, Faults: slices.Concat(faults, read.Faults), Notes: read.Notes, Listed: true,
	}
}

// read returns the files of the last bundle; false before the first.
func (g *Gatekeeper) read() ([]native.File, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.files, g.begun
}

// standIn returns what was kept if it is time for it, which it is once.
func (g *Gatekeeper) standIn(ctx context.Context, began time.Time) (policies.Bundle, bool) {
	if _, begun := g.read(); g.Kept == nil || begun || time.Since(began) < g.Kept.After {
		return policies.Bundle{}, false
	}
	g.Log.Warn("Gatekeeper's objects in the cluster cannot be listed; those that were kept stand in until they can", "objects", len(g.Kept.Files))
	read := g.Reader.Read(ctx, gatekeeperDocuments(g.Kept.Files))
	bundle := bundleOf(read, nil)
	g.remember(ctx, &bundle, g.Kept.Files, g.Kept.Good)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files, g.documents, g.begun = g.Kept.Files, read.Documents, true
	return bundle, true
}

// pause is how long to wait for a change before looking all the same.
func (g *Gatekeeper) pause(began time.Time) time.Duration {
	if _, begun := g.read(); g.Kept == nil || begun {
		return poll
	}
	return min(poll, max(0, g.Kept.After-time.Since(began)))
}

// wait keeps why there is no bundle yet, and tells the log when it is something new.
func (g *Gatekeeper) wait(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == nil || g.waiting.Error() != why.Error() {
		g.Log.Warn("Gatekeeper's objects in the cluster cannot be read yet", "error", why)
	}
	g.waiting = why
}
