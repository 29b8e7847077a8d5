package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/mutators/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// mutator is one of Gatekeeper's mutators and where it is from.
type mutator struct {
	*gatekeeper.Mutator
	file, at, digest string
	match            *match.Match
}

// isMutator reports whether a document is one of Gatekeeper's mutators.
func isMutator(d policies.Document) bool {
	return d.Object.GroupVersionKind().Group == gatekeeper.Group
}

// anyMutator is how a Loader is told that there is something to do without policies.
func anyMutator(documents []policies.Document) bool { return slices.ContainsFunc(documents, isMutator) }

// readMutators reads the mutators among documents. What is wrong with one is a Fault; the others are read all the same.
func readMutators(documents []policies.Document, surroundings surroundings) (out []*mutator, faults policies.Faults) {
	for _, d := range documents {
		if !isMutator(d) {
			continue
		}
		m := &mutator{file: d.File, at: d.At()}
		id := gatekeeper.ID{Kind: d.Object.GetKind(), Name: d.Object.GetName()}
		text, err := d.Object.MarshalJSON()
		if err == nil {
			m.Mutator, err = gatekeeper.Read(gatekeeper.Document{JSON: text, At: d.At}, surroundings.matching(id, &m.match))
		}
		if err != nil {
			faults = append(faults, policies.Fault{File: d.File, Policy: id.String(), Err: err})
			continue
		}
		sum := sha256.Sum256(text)
		m.digest = hex.EncodeToString(sum[:])
		out = append(out, m)
	}
	return out, faults
}

// mutatorSet is what is in force at one moment. It is immutable; nil has nothing.
type mutatorSet struct {
	set  *gatekeeper.Set
	list []*mutator // in the order in which they are applied
	// selects says that some match by the labels of the namespace.
	selects bool
}

// newMutatorSet puts mutators together. There is a Fault for each that is left out because of another.
func newMutatorSet(list []*mutator) (*mutatorSet, policies.Faults) {
	byMutator := map[*gatekeeper.Mutator]*mutator{}
	var bare []*gatekeeper.Mutator
	for _, m := range list {
		byMutator[m.Mutator] = m
		bare = append(bare, m.Mutator)
	}
	set, wrong := gatekeeper.NewSet(bare)
	out := &mutatorSet{set: set}
	for _, m := range set.Mutators() {
		out.list = append(out.list, byMutator[m])
		out.selects = out.selects || byMutator[m].match.NamespaceSelector != nil
	}
	var faults policies.Faults
	for _, err := range wrong {
		fault := policies.Fault{Err: err}
		if e, ok := errors.AsType[*gatekeeper.Error](err); ok {
			fault.Policy = gatekeeper.ID{Kind: e.Kind, Name: e.Name}.String()
			for _, m := range list {
				if m.at == e.At {
					fault.File = m.file
				}
			}
		}
		faults = append(faults, fault)
	}
	return out, faults
}

// mutatorsIn reads the mutators among documents and puts them together.
func mutatorsIn(documents []policies.Document, surroundings surroundings) (*mutatorSet, policies.Faults) {
	list, faults := readMutators(documents, surroundings)
	set, contrary := newMutatorSet(list)
	return set, append(faults, contrary...)
}

// members are the mutators in force, in the order in which they are applied.
func (s *mutatorSet) members() []*mutator {
	if s == nil {
		return nil
	}
	return s.list
}

// versions adds those of the mutators, by name.
func (s *mutatorSet) versions(to map[string]string) {
	for _, m := range s.members() {
		to[m.Name()] = m.digest
	}
}

// Mutators are Gatekeeper's mutators in force, which are loaded and kept as policies are: read off the request path, put in force in one
// step, and of one that is faulty the last good version stays.
type Mutators struct {
	surroundings
	await   func(context.Context, *review.Request) // see policies.WithArrivals; may be nil
	log     *slog.Logger
	rest    bool // none is in force, whatever is read: Gatekeeper itself applies them
	current atomic.Pointer[mutatorSet]
}

// ready returns why there is nothing to answer with, or nil.
func (m *Mutators) ready() error {
	if m.current.Load() == nil {
		return review.Unavailable("no mutators are loaded yet")
	}
	return nil
}

// inForce returns the mutators for one request. It waits for a namespace that has just been created if they must know its labels.
func (m *Mutators) inForce(ctx context.Context, req *review.Request) (*gatekeeper.Set, error) {
	current := m.current.Load()
	if current == nil {
		return nil, m.ready()
	}
	if name := req.Target.Namespace; current.selects && m.await != nil && name != "" && !req.Target.IsNamespace() {
		if _, known := m.namespaces(name); !known {
			m.await(ctx, req)
		}
	}
	return current.set, nil
}

// take puts the mutators of a load in force, and adds to the load what is wrong with them.
func (m *Mutators) take(load *policies.Load) {
	documents, faults := filesFirst(byOrigin(load.Documents))
	list, wrong := readMutators(documents, m.surroundings)
	faults = append(faults, wrong...)
	previous := m.current.Load()
	list, kept := previous.keep(list, slices.Concat(load.Faults, faults))
	next, contrary := newMutatorSet(list)
	if len(contrary) > 0 {
		// Which of those that disagree is right nobody has said; but what was in force before has done no harm.
		agreed, more := previous.keep(next.list, contrary)
		next, _ = newMutatorSet(agreed)
		kept = append(kept, more...)
	}
	faults = append(faults, contrary...)
	load.Faults, load.Fatal = append(slices.Clip(load.Faults), faults...), append(slices.Clip(load.Fatal), notListed(faults, load.Documents)...)
	if m.rest {
		next, _ = newMutatorSet(nil)
		kept = nil
	}
	m.current.Store(next)
	m.tell(previous, next, kept)
}

// keep adds the last good version of every mutator that is missing and that the faults concern, by name or because they are those of its
// file as a whole, or of all files.
func (s *mutatorSet) keep(list []*mutator, faults policies.Faults) (all []*mutator, kept []string) {
	all = slices.Clip(list)
	for _, old := range s.members() {
		missing := !slices.ContainsFunc(list, func(m *mutator) bool { return m.ID() == old.ID() })
		concerned := slices.ContainsFunc(faults, func(f policies.Fault) bool {
			return f.Policy == old.Name() || f.Policy == "" && f.Exception == "" && (f.File == "" || f.File == old.file)
		})
		if missing && concerned {
			all = append(all, old)
			kept = append(kept, old.Name())
		}
	}
	return all, kept
}

// tell writes into the log what has changed.
func (m *Mutators) tell(previous, next *mutatorSet, kept []string) {
	before, now := map[string]string{}, map[string]string{}
	previous.versions(before)
	next.versions(now)
	var added, changed, removed []string
	for _, one := range next.members() {
		if version, was := before[one.Name()]; !was {
			added = append(added, one.Name())
		} else if version != one.digest {
			changed = append(changed, one.Name())
		}
	}
	for _, one := range previous.members() {
		if _, is := now[one.Name()]; !is {
			removed = append(removed, one.Name())
		}
	}
	if len(added)+len(changed)+len(removed)+len(kept) > 0 {
		m.log.Info("mutators are in force", append([]any{"mutators", len(next.list)}, changes(added, changed, removed, kept)...)...)
	}
}
