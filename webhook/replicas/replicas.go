package replicas

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	coordinationinformers "k8s.io/client-go/informers/coordination/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/cache"
)

// State is what a replica serves.
type State struct {
	Revision    string // of the set of policies in force; empty while there is none
	Policies    Served // the policies of that set
	Certificate string // the fingerprint of the certificate it shows
	Heard       string // the stages at which it was asked, with commas between
	Pages       string // where others reach its pages, host:port; empty if they cannot
}

// Member is a replica that is alive.
type Member struct {
	Name string
	State
}

// Serves reports whether the member serves that version of a policy: because what it serves has that revision, of a set which the policy is
// in, or because its Lease lists it.
func (m Member) Serves(revision, policy, version string) bool {
	return m.Revision == revision || m.Policies.Has(policy, version)
}

// Replicas keeps this server's Lease and knows those of the others. Its methods may be called at any time, from any goroutine.
//
// Whether another replica is alive is judged by when its Lease was last seen to change, and never by the time in it: clocks differ.
type Replicas struct {
	options Options
	leases  coordinationclient.LeaseInterface
	changed func()
	renew   chan struct{}

	mu    sync.Mutex
	state State
	seen  map[string]sighting // by the name of the Lease
}

// sighting is a Lease and when it was seen to be renewed.
type sighting struct {
	lease *coordinationv1.Lease
	at    time.Time
}

// New returns the Replicas of a release. changed is called, if it is not nil, whenever what Members returns may be another; it must not
// block.
func New(o Options, changed func()) (*Replicas, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if changed == nil {
		changed = func() {}
	}
	return &Replicas{
		options: o, leases: o.Client.CoordinationV1().Leases(o.Namespace), changed: changed,
		renew: make(chan struct{}, 1), seen: map[string]sighting{},
	}, nil
}

// Serve says what this replica serves from now on. The others learn of it at once. It does not block.
func (r *Replicas) Serve(state State) {
	r.mu.Lock()
	same := r.state == state
	r.state = state
	r.mu.Unlock()
	if same {
		return
	}
	select {
	case r.renew <- struct{}{}:
	default: // the one that is waiting will say it
	}
}

// Members returns the replicas that are alive, in the order of their names. The error says why that is not known: a server that does not
// see its own Lease change does not see those of others either.
func (r *Replicas) Members() ([]Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var out []Member
	ours := false
	for name, s := range r.seen {
		if now.Sub(s.at) >= r.options.times.lease {
			continue
		}
		ours = ours || name == r.options.lease()
		out = append(out, Member{Name: r.replicaOf(name), State: stateOf(s.lease)})
	}
	if !ours {
		return nil, fmt.Errorf("the replicas are not known: the Lease %s of this one was not seen to be renewed for %v",
			r.options.lease(), r.options.times.lease)
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (r *Replicas) replicaOf(lease string) string {
	return strings.TrimPrefix(lease, r.options.Name+"-replica-")
}

func stateOf(lease *coordinationv1.Lease) State {
	return State{
		Revision: lease.Annotations[RevisionAnnotation], Policies: Served(lease.Annotations[PoliciesAnnotation]),
		Certificate: lease.Annotations[CertificateAnnotation], Heard: lease.Annotations[HeardAnnotation],
		Pages: address(lease.Annotations[PagesAnnotation]),
	}
}

// Run keeps the Lease and watches those of the others until ctx ends, then takes its own back: from then on this replica does not count.
// So ctx should end when the server has answered its last call.
func (r *Replicas) Run(ctx context.Context) error {
	informer := coordinationinformers.NewFilteredLeaseInformer(r.options.Client, r.options.Namespace, 0, cache.Indexers{},
		func(o *metav1.ListOptions) { o.LabelSelector = labels.Set{ReleaseLabel: r.options.Name}.String() })
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: r.see, UpdateFunc: func(_, now any) { r.see(now) }, DeleteFunc: r.forget,
	})
	if err != nil {
		return fmt.Errorf("watch the Leases of the replicas: %w", err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { informer.RunWithContext(ctx) })
	r.keep(ctx)
	r.leave(ctx)
	return nil
}

func (r *Replicas) see(object any) {
	lease, ok := object.(*coordinationv1.Lease)
	if !ok {
		return
	}
	r.mu.Lock()
	before, known := r.seen[lease.Name]
	now := sighting{lease, before.at}
	revived := false
	if !known || !before.lease.Spec.RenewTime.Equal(lease.Spec.RenewTime) {
		now.at = time.Now()
		revived = now.at.Sub(before.at) >= r.options.times.lease
	}
	r.seen[lease.Name] = now
	r.mu.Unlock()
	report := lease.Annotations[ReportAnnotation]
	if r.options.Hear != nil && report != "" && (!known || before.lease.Annotations[ReportAnnotation] != report) {
		r.options.Hear(report)
	}
	if revived || known && stateOf(before.lease) != stateOf(lease) {
		r.changed()
	}
}

func (r *Replicas) forget(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if lease, ok := object.(*coordinationv1.Lease); ok {
		r.mu.Lock()
		delete(r.seen, lease.Name)
		r.mu.Unlock()
		r.changed()
	}
}

// keep renews the Lease until ctx ends.
func (r *Replicas) keep(ctx context.Context) {
	ticker := time.NewTicker(r.options.times.renew)
	defer ticker.Stop()
	told := ""
	for ctx.Err() == nil {
		err := r.write(ctx)
		switch {
		case err == nil:
			told = ""
		case ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			r.options.Log.Error("the Lease of this replica is not renewed; trying again", "lease", r.options.lease(), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-r.renew:
		case <-ticker.C:
			r.expire()
		}
	}
}

// write makes the Lease say what is served now.
func (r *Replicas) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.options.times.deadline)
	defer cancel()
	r.mu.Lock()
	state := r.state
	r.mu.Unlock()
	wanted, err := r.leases.Get(ctx, r.options.lease(), metav1.GetOptions{})
	anew := apierrors.IsNotFound(err)
	put := func() error { _, err := r.leases.Update(ctx, wanted, metav1.UpdateOptions{}); return err }
	if anew {
		wanted, err = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: r.options.lease(), Namespace: r.options.Namespace}}, nil
		wanted.OwnerReferences = r.options.owners(ctx)
		put = func() error { _, err := r.leases.Create(ctx, wanted, metav1.CreateOptions{}); return err }
	}
	if err != nil {
		return err
	}
	if wanted.Labels == nil {
		wanted.Labels = map[string]string{}
	}
	if wanted.Annotations == nil {
		wanted.Annotations = map[string]string{}
	}
	wanted.Labels[ReleaseLabel] = r.options.Name
	maps.Copy(wanted.Annotations, map[string]string{
		RevisionAnnotation: state.Revision, PoliciesAnnotation: string(state.Policies), CertificateAnnotation: state.Certificate,
		HeardAnnotation: state.Heard, PagesAnnotation: state.Pages,
	})
	said := func() {}
	if r.options.Report != nil {
		wanted.Annotations[ReportAnnotation], said = r.options.Report(anew)
	}
	wanted.Spec = coordinationv1.LeaseSpec{
		HolderIdentity:       new(r.options.Replica),
		LeaseDurationSeconds: new(int32(r.options.times.lease / time.Second)), //nolint:gosec // seconds of a Lease are few
		RenewTime:            new(metav1.NewMicroTime(time.Now())),
	}
	err = put()
	if err == nil {
		said()
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("another server writes it too; give each a name of its own with --replica: %w", err)
	}
	return err
}

// Reports returns what all replicas say by Options.Report at this moment, those that ended without taking their Leases back included.
func (r *Replicas) Reports(ctx context.Context) ([]string, error) {
	leases, err := r.leases.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{ReleaseLabel: r.options.Name}.String()})
	if err != nil {
		return nil, fmt.Errorf("list the Leases of the replicas: %w", err)
	}
	var out []string
	for _, lease := range leases.Items {
		if report := lease.Annotations[ReportAnnotation]; report != "" {
			out = append(out, report)
		}
	}
	return out, nil
}

// expire tells of replicas that do not count any more since the time before.
func (r *Replicas) expire() {
	r.mu.Lock()
	now, fell := time.Now(), false
	for _, s := range r.seen {
		silent := now.Sub(s.at) - r.options.times.lease
		fell = fell || silent >= 0 && silent < 2*r.options.times.renew
	}
	r.mu.Unlock()
	if fell {
		r.changed()
	}
}

// leave says what is left to say, and takes the Lease back.
func (r *Replicas) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if r.options.Report != nil {
		_ = r.write(ctx) // a report that is lost is no reason to stay
	}
	if err := r.leases.Delete(ctx, r.options.lease(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		r.options.Log.Warn("the Lease of this replica is not taken back; it runs out by itself", "lease", r.options.lease(), "error", err)
	}
}

// Sweep deletes, until ctx ends, the Leases which nobody has renewed for ten minutes. It is for the leader.
func (r *Replicas) Sweep(ctx context.Context) {
	ticker := time.NewTicker(r.options.times.sweep / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
			r.options.Log.Error("Leases which nobody renews are left", "error", err)
		}
	}
}

func (r *Replicas) sweep(ctx context.Context) error {
	r.mu.Lock()
	var old []*coordinationv1.Lease
	for _, s := range r.seen {
		if time.Since(s.at) >= r.options.times.lease+r.options.times.sweep {
			old = append(old, s.lease)
		}
	}
	r.mu.Unlock()
	var errs []error
	for _, lease := range old {
		// Only what was seen: a replica may come back this moment.
		fence := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion}}
		err := r.leases.Delete(ctx, lease.Name, fence)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			errs = append(errs, fmt.Errorf("delete the Lease %s: %w", lease.Name, err))
		}
	}
	return errors.Join(errs...)
}
