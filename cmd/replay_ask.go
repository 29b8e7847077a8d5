package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/replay"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// replayWorld is what policies see of the cluster.
type replayWorld struct {
	namespaces policies.Namespaces
	subjects   []subject // the objects of --objects; nil where nothing is known of any
	from       string    // in words; empty where nothing is known of objects
	cluster    *replayCluster
}

// troubles are why not all policies of the cluster are asked.
func (w *replayWorld) troubles() []string {
	if w.cluster == nil {
		return nil
	}
	return w.cluster.troubles
}

// world reads what policies see.
func (f *replayFlags) world(ctx context.Context, stdin io.Reader) (*replayWorld, error) {
	out := &replayWorld{namespaces: func(string) (policies.Namespace, bool) { return policies.Namespace{}, false }}
	if f.cluster.kubeconfig != "" {
		var err error
		if out.cluster, err = f.cluster.replaying(ctx, len(f.policies.from) == 0); err != nil {
			return nil, err
		}
		out.namespaces, out.from = out.cluster.namespaces, "the cluster"
	}
	if len(f.objects) == 0 {
		return out, nil
	}
	files, _, err := filesOf(f.objects, true)
	if err != nil {
		return nil, err
	}
	out.subjects, out.from = []subject{}, strings.Join(f.objects, ", ")
	for _, name := range files {
		found, _, err := readFile(name, stdin)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if s.err != nil {
				return nil, s.err
			}
		}
		out.subjects = append(out.subjects, found...)
	}
	given, others := namespacesAmong(out.subjects), out.namespaces
	out.namespaces = func(name string) (policies.Namespace, bool) {
		if ns, ok := given(name); ok {
			return ns, true
		}
		return others(name)
	}
	return out, nil
}

// asker asks one set of policies. Nil asks none.
type asker struct {
	judge
	world *replayWorld
	notes []string
}

// askers are who is asked, and who is compared with, if that is not what was recorded.
func (f *replayFlags) askers(ctx context.Context, world *replayWorld) (asked, against *asker, err error) {
	switch {
	case len(f.policies.from) == 0 && world.cluster != nil:
		asked, err = world.askerOf(ctx, world.cluster.bundle, "the cluster")
	default:
		asked, err = f.fromFiles(ctx, f.policies, world)
	}
	if err == nil && len(f.against) > 0 {
		against, err = f.fromFiles(ctx, policyFlags{from: f.against}, world)
	}
	return asked, against, err
}

func (f *replayFlags) fromFiles(ctx context.Context, flags policyFlags, world *replayWorld) (*asker, error) {
	reader, err := NewReader()
	if err != nil {
		return nil, err
	}
	from, err := flags.source(reader)
	if err != nil {
		return nil, err
	}
	bundle, err := from.Load(ctx)
	if err != nil {
		return nil, err
	}
	return world.askerOf(ctx, bundle, strings.Join(flags.from, ", "))
}

// askerOf makes of a bundle from somewhere who is asked.
func (w *replayWorld) askerOf(ctx context.Context, bundle policies.Bundle, from string) (*asker, error) {
	if len(bundle.Faults) > 0 {
		return nil, bundle.Faults
	}
	if len(bundle.Specs) == 0 && !anyMutator(bundle.Documents) {
		return nil, fmt.Errorf("there are no policies in %s", from)
	}
	around := surroundings{namespaces: w.namespaces}
	all, err := compile(ctx, bundle, around, policies.WithNamespaces(w.namespaces), policies.WithExceptions(bundle.Exceptions))
	if err != nil {
		return nil, err
	}
	out := &asker{world: w, notes: notes(bundle.Notes, bundle.Documents)}
	set := all.set
	switch {
	case w.subjects != nil:
		set, err = w.seeing(all)
	case w.cluster != nil:
		set, err = w.cluster.seeing(ctx, all, bundle.Documents)
	}
	if err != nil {
		return nil, err
	}
	looking := map[string]bool{}
	for _, p := range set.Policies() {
		if len(p.Spec().Data) > 0 || p.ReadsInventory() {
			looking[p.Spec().ID] = true
		}
	}
	if len(looking) > 0 && w.from != "" {
		out.notes = append(out.notes, fmt.Sprintf("%s look at objects of the cluster: they see those of %s, whatever there was when the requests were recorded",
			enumerate(slices.Sorted(maps.Keys(looking))), w.from))
	}
	out.judge = newJudge(set, all.theirs, nil)
	return out, nil
}

// seeing has policies see the objects that are given.
func (w *replayWorld) seeing(all *judgement) (*policies.Set, error) {
	place := (&reviewFlags{namespace: "default"}).place
	var objects inventory.Store
	if err := fillInventory(&objects, all.set.Needs(), w.subjects, place); err != nil {
		return nil, err
	}
	items, err := synced(w.subjects, place)
	if err != nil {
		return nil, err
	}
	seen := policies.WithSnapshot(objects.Snapshot().WithSynced(items...))
	return policies.NewSet(all.set.Policies(), append(all.options, seen)...), nil
}

// ask is a replay.Ask.
func (a *asker) ask(ctx context.Context, q replay.Question) (review.Decision, error) {
	d, err := a.answer(policies.InThePast(ctx, policies.Past{At: q.At, Unknown: q.Unknown}), q.Request)
	if t := q.Request.Target; err == nil && t.Namespace != "" && !t.IsNamespace() {
		if _, known := a.world.namespaces(t.Namespace); !known {
			for i := range d.Findings { // that of a mutator may be for want of it
				d.Findings[i].Unknown = d.Findings[i].Unknown || d.Findings[i].Fault
			}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("the policies did not answer in time")
	}
	return d, err
}

// asks is how it is asked; nil for nobody.
func (a *asker) asks() replay.Ask {
	if a == nil {
		return nil
	}
	return a.ask
}

func (a *asker) remarks() []string {
	if a == nil {
		return nil
	}
	return a.notes
}
