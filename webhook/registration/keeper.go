package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

const (
	// look is how often the cluster is looked at when nothing tells of a change: watches are what counts.
	look = time.Minute
	// After an error the next try comes after leastDelay, then twice that, and so on.
	leastDelay, mostDelay = time.Second, 30 * time.Second
	// probeTime bounds a probe, beside the time that its webhook may take. It holds up whatever else changes, so it is no longer than an API
	// server needs to take up a registration.
	probeTime = 5 * time.Second
	// mostConflicts, one after the other, are the work of others who do not rest.
	mostConflicts = 5
)

// Inputs are what a Keeper asks. The functions may be called at any time, and none but Owner may block.
type Inputs struct {
	// Wanted is what the policies in force ask for. The error says why that is not known; what is registered stays meanwhile, and an error
	// that lasts for a minute is reported.
	Wanted func() ([]Wish, error)
	// Bundle is the PEM of the authorities to trust. While they are not known, ok is false and what is registered stays. A bundle that is
	// known to be empty leaves the field as it is: the API server then goes by the authorities of its machine. Nil leaves the field to
	// others, as cert-manager's injector.
	Bundle func() (pem []byte, ok bool)
	// Owner says with what the configurations vanish; nil is nothing. While it returns an error they stay whose they are, and none is made
	// that is not there. It is called with every look, and may ask the cluster. A nil Owner leaves it at that of the Options.
	Owner func(context.Context) (*metav1.OwnerReference, error)
	// Lease is the name of a Lease in the namespace of the Options, that of who leads: an unlocking is kept on it, in annotations, so that
	// whoever leads next knows of it although the configurations have vanished. Empty: he does not.
	Lease string
	// Report is told how things stand, whenever the Keeper has looked; it may be nil.
	Report func(Standing)
}

// Keeper keeps the configurations in the cluster as they should be:
//
//   - What policies no longer want goes at once; what one of them wants beside waits until every replica serves that policy.
//   - Webhooks with Fail are registered with Ignore until a probe through the API server has been answered. Once they are Fail they stay so
//     while the address stays the same.
//   - What others change or delete is mended, at once and then ever more slowly if they go on: see mendBurst.
//   - While somebody has unlocked the cluster there are no webhooks, and be it that the configurations which say so are gone meanwhile.
//
// It must run on one replica at a time.
type Keeper struct {
	client  dynamic.Interface
	options Options
	inputs  Inputs
	metrics *Metrics
	log     *slog.Logger
	now     func() time.Time
	wake    chan struct{}

	// The rest belongs to Run.
	planned []Interest        // what is registered; nil before the first look
	written map[place]*object // what was written last
	proven  map[Phase]proof
	checked map[Phase]check // how the last probes went
	last    string          // the error that was logged last
	changed time.Time       // when something was last written
	unowned error           // why it is not known with what the configurations vanish
	// ownerless is why what is made now vanishes with nothing.
	ownerless error

	weak   bool // something is Ignore that should be Fail
	failed int  // attempts, one after the other

	conflicts int       // one after the other
	unknown   time.Time // since when it is not known what is wanted

	contests map[place]*contest

	open     remembered
	recalled bool // what the leader before has remembered
	noted    bool // whether the Lease says that the cluster is unlocked

	taken atomic.Pointer[taken]
}

// NewKeeper returns a Keeper. metrics and log may be nil; now is the clock, time.Now.
func NewKeeper(client dynamic.Interface, o Options, in Inputs, metrics *Metrics, log *slog.Logger, now func() time.Time) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{
		client: client, options: o, inputs: in, metrics: metrics, log: log, now: now, wake: make(chan struct{}, 1),
		contests: map[place]*contest{},
	}
}

// Wake has the Keeper look at once. It is to be called when what one of the Inputs returns has changed; it never blocks.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run keeps the configurations until ctx ends, then returns nil; they stay as they are. It is to be called each time this replica becomes
// the leader, and not twice at once.
func (k *Keeper) Run(ctx context.Context) error {
	k.forget()
	k.planned, k.failed, k.conflicts, k.unknown = nil, 0, 0, time.Time{}
	k.open, k.recalled = remembered{}, false
	k.metrics.setKeeping(true)
	defer k.metrics.rest() // the next leader says how it is
	for _, p := range places(k.options.Name) {
		informer := dynamicinformer.NewFilteredDynamicInformer(k.client, p.resource(), metav1.NamespaceAll, 0, cache.Indexers{},
			func(o *metav1.ListOptions) {
				o.FieldSelector = fields.OneTermEqualSelector("metadata.name", p.name).String()
			}).Informer()
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { k.Wake() },
			UpdateFunc: func(any, any) { k.Wake() },
			DeleteFunc: func(any) { k.Wake() },
		}); err != nil {
			return fmt.Errorf("watch the %s: %w", p, err)
		}
		go informer.RunWithContext(ctx)
	}
	delay := leastDelay
	for ctx.Err() == nil {
		again, standing, err := k.step(ctx)
		switch {
		case ctx.Err() != nil:
			continue
		case err == nil:
			delay, k.last, k.failed, k.conflicts = leastDelay, "", 0, 0
			if standing != nil {
				k.report(*standing)
			}
		case apierrors.IsConflict(err) && k.conflicts < mostConflicts: // somebody was faster; the next look sees what he did
			k.conflicts++
			again = leastDelay
		default:
			k.metrics.failed()
			if k.last != err.Error() {
				k.log.Error("the webhook configurations are not as they should be; trying again", "error", err)
				k.last = err.Error()
			}
			if k.failed++; k.failed > 1 { // what passes by itself is not worth telling
				k.report(Standing{Err: err, Weak: k.weak})
			}
			again, delay = delay, min(2*delay, mostDelay)
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (k *Keeper) report(s Standing) {
	if k.inputs.Report != nil {
		k.inputs.Report(s)
	}
}

// forget has everything written and proven anew.
func (k *Keeper) forget() {
	k.written, k.proven, k.checked = map[place]*object{}, map[Phase]proof{}, map[Phase]check{}
	k.taken.Store(nil)
}

// step brings the configurations one step nearer to what they should be, and says when to look again. It says how things stand if they
// are where they can be for now.
func (k *Keeper) step(ctx context.Context) (time.Duration, *Standing, error) {
	at := places(k.options.Name)
	live, err := k.read(ctx, at)
	if err != nil {
		return 0, nil, err
	}
	k.own(ctx)
	open, err := unlocked(live, k.now())
	if err != nil {
		k.log.Error("an annotation that should unlock the cluster is not understood; the webhooks stay", "error", err)
	}
	if open, err = k.remember(ctx, live, open); err != nil {
		return 0, nil, err
	}
	k.metrics.setUnlocked(open != nil)
	if open != nil {
		k.metrics.setOpen(false)
		return min(look, open.Until.Sub(k.now())), &Standing{Unlocked: open}, k.clear(ctx, at, live, *open)
	}
	wishes, err := k.inputs.Wanted()
	if err != nil {
		return k.unwanted(err)
	}
	k.unknown = time.Time{}
	o := k.options
	if k.inputs.Bundle != nil {
		var ok bool
		if o.Bundle, ok = k.inputs.Bundle(); !ok {
			return 0, nil, errors.New("there is no authority yet for the API server to trust; what is registered stays as it is")
		}
	}
	configurations, held, stuck := k.plan(wishes, o, at, live)
	objects, err := configurations.objects()
	if err != nil {
		return 0, nil, err
	}
	k.weaken(o, at, objects, live)
	again, contested := look, error(nil)
	for n, p := range at {
		if err := k.keepOwner(p, objects[n], live[n]); err != nil {
			return 0, nil, err
		}
		wait, err := k.keep(ctx, p, objects[n], live[n])
		if err != nil {
			return 0, nil, err
		}
		if wait > 0 {
			again, contested = min(again, wait), fmt.Errorf("somebody else keeps changing or deleting the %s", p)
		}
	}
	progress, err := k.prove(ctx, o, at, objects)
	switch {
	case err != nil:
		return 0, nil, err
	case progress:
		return 0, nil, nil // what was registered with Ignore may now be Fail
	case contested != nil:
		return again, &Standing{Err: contested}, nil //nolint:nilerr // it is told, and trying again at once is the fight
	}
	lost, doubted := k.check(ctx, o, at)
	switch {
	case lost != nil:
		return doubt, &Standing{Err: lost, Weak: k.weak}, nil //nolint:nilerr // it is told, and nothing is to be written
	case stuck && !doubted:
		return 0, nil, nil // what was held for that may now be registered
	case stuck:
		return doubt, nil, nil
	case doubted:
		again = doubt
	}
	if k.ownerless != nil && k.weak {
		return again, &Standing{Err: k.ownerless, Weak: true}, nil
	}
	if held {
		again = leastDelay
	}
	return again, &Standing{Asked: fulfilled(wishes)}, nil
}

// unwanted is how things stand while it is not known what is wanted: what is registered stays, and is told only if that lasts.
func (k *Keeper) unwanted(why error) (time.Duration, *Standing, error) {
	now := k.now()
	if k.unknown.IsZero() {
		k.unknown = now
	}
	if lasts := now.Sub(k.unknown); lasts < look {
		return look - lasts, nil, nil
	}
	k.metrics.failed()
	return look, &Standing{Err: fmt.Errorf("what policies want is not registered now, and what is registered stays: %w", why), Weak: k.weak}, nil
}

func (k *Keeper) read(ctx context.Context, at []place) ([]*object, error) {
	var live []*object
	for _, p := range at {
		o, err := p.get(ctx, k.client)
		if err != nil {
			return nil, err
		}
		live = append(live, o)
	}
	return live, nil
}

// plan is what to register now, and whether that is less than what is wanted: because not every replica serves all of it yet, or, stuck,
// because more would be refused for want of an answer while none is seen to come.
func (k *Keeper) plan(wishes []Wish, o Options, at []place, live []*object) (c Configurations, held, stuck bool) {
	var wanted, now, waiting []Interest
	for _, w := range wishes {
		for _, i := range w.Interests {
			wanted = append(wanted, i)
			unanswered := k.unanswered(i.Phase, o, at, live)
			if stuck = stuck || unanswered; w.Served && !unanswered {
				now = append(now, i)
			} else {
				waiting = append(waiting, i)
			}
		}
	}
	if k.planned == nil { // the leader before has registered it
		for n, p := range at {
			if live[n] != nil && p.phase != "" {
				k.planned = append(k.planned, registered(p.phase, live[n].Webhooks)...)
			}
		}
	}
	k.planned = append(append([]Interest{}, now...), meet(waiting, k.planned)...)
	c = Plan(k.planned, o)
	held = len(waiting) > 0 && !reflect.DeepEqual(c, Plan(wanted, o))
	k.metrics.setHeld(held)
	return c, held, held && stuck
}

// keep writes a configuration unless it is what it should be. The first time it always does, so as to own all fields. If it is mended too
// often already, keep says when it will be again; what policies want anew is written all the same.
func (k *Keeper) keep(ctx context.Context, p place, wanted, live *object) (wait time.Duration, err error) {
	before := k.written[p]
	if before != nil && (live == nil || !same(live, before)) {
		if wait, ok := k.mend(p, live); !ok && reflect.DeepEqual(before, wanted) {
			return wait, nil
		}
	} else {
		k.settled(p)
	}
	if before != nil && live != nil && same(live, wanted) {
		k.written[p] = wanted
		return 0, nil
	}
	if err := p.apply(ctx, k.client, wanted, live); err != nil {
		return 0, err
	}
	k.written[p], k.changed = wanted, k.now()
	k.log.Info("a webhook configuration is registered", "configuration", p.String(), "webhooks", len(wanted.Webhooks))
	return 0, nil
}

// clear leaves no webhooks while the cluster is unlocked, and has what is gone say again that it is. Afterwards all begins anew, with Ignore.
func (k *Keeper) clear(ctx context.Context, at []place, live []*object, open Unlocked) error {
	for n, p := range at {
		if live[n] == nil && k.open.Unlocked == nil || live[n] != nil && len(live[n].Webhooks) == 0 {
			continue
		}
		empty := &object{TypeMeta: metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: p.kind}}
		empty.Name, empty.Labels, empty.Annotations = p.name, k.options.Labels, maps.Clone(k.options.Annotations)
		if live[n] == nil || live[n].Annotations[UnlockedUntil] != "" { // who says it in one place takes it back there
			empty.Annotations = open.annotations()
			maps.Copy(empty.Annotations, k.options.Annotations)
		}
		if k.options.Owner != nil {
			empty.OwnerReferences = []metav1.OwnerReference{*k.options.Owner}
		}
		if err := k.keepOwner(p, empty, live[n]); err != nil {
			return err
		}
		if err := p.apply(ctx, k.client, empty, live[n]); err != nil {
			return err
		}
	}
	if len(k.written)+len(k.proven) > 0 {
		k.log.Warn("the cluster is unlocked; nothing is asked", "until", open.Until, "by", open.By, "reason", open.Reason)
		k.forget()
	}
	return nil
}
