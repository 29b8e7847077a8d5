package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/mutators/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/policies/language"
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
	// selects says that some match by the labels of the namespace, and asks that some ask a Provider.
	selects, asks bool
	providers     *external.Providers // nil: there are none
	surroundings
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
		out.asks = out.asks || m.Provider() != ""
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

// Revision names the mutators: equal for those that do the same.
func (s *mutatorSet) Revision() string {
	sum := sha256.New()
	for _, m := range s.list {
		fmt.Fprintln(sum, m.Name(), m.digest)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// awaitNamespace waits for a namespace that has just been created if some mutator must know its labels.
func (s *mutatorSet) awaitNamespace(ctx context.Context, req *review.Request) {
	if name := req.Target.Namespace; s.selects && s.await != nil && name != "" && !req.Target.IsNamespace() {
		if _, known := s.namespaces(name); !known {
			s.await(ctx, req)
		}
	}
}

// chain is who answers at the stage Mutate: these mutators, and then the policies that next asks.
func (s *mutatorSet) chain(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		s.awaitNamespace(ctx, req)
		var data language.ExternalData
		if s.asks && s.providers != nil {
			data = s.providers.Begin()
		}
		return mutators.Chain{s.asking(data), mutators.Ask(next)}.Review(ctx, req)
	})
}

// Mutators are Gatekeeper's mutators in force, which are loaded and kept as policies are: read off the request path, put in force in one
// step, and of one that is faulty the last good version stays.
type Mutators struct {
	surroundings
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

// take puts the mutators that were found in force, and returns them and what is wrong. They may ask the Providers, which may be nil.
func (m *Mutators) take(found policies.Bundle, providers *external.Providers) (*mutatorSet, policies.Faults) {
	documents, faults := filesFirst(byOrigin(found.Documents))
	list, wrong := readMutators(documents, m.surroundings)
	faults = append(faults, wrong...)
	if providers == nil {
		var lacking policies.Faults
		list, lacking = unprovided(list)
		faults = append(faults, lacking...)
	}
	previous := m.current.Load()
	list, kept := previous.keep(list, slices.Concat(found.Faults, faults))
	earlier, _ := readMutators(found.EarlierDocuments, m.surroundings) // what is wrong is told of them as they are in the cluster
	list, taken := (&mutatorSet{list: earlier}).keep(list, faults)
	kept = append(kept, taken...)
	next, contrary := newMutatorSet(list)
	if len(contrary) > 0 {
		// Which of those that disagree is right nobody has said; but what was in force before has done no harm.
		agreed, more := previous.keep(next.list, contrary)
		next, _ = newMutatorSet(agreed)
		kept = append(kept, more...)
	}
	if m.rest {
		next, _ = newMutatorSet(nil)
		kept = nil
	}
	next.providers, next.surroundings = providers, m.surroundings
	m.current.Store(next)
	m.tell(previous, next, kept)
	return next, append(faults, contrary...)
}

// keep adds the last good version of every mutator that is missing and that the faults concern, by name or because they are those of its
// file as a whole, or of all files.
func (s *mutatorSet) keep(list []*mutator, faults policies.Faults) (all []*mutator, kept []string) {
	all = slices.Clip(list)
	for _, old := range s.members() {
		missing := !slices.ContainsFunc(list, func(m *mutator) bool { return m.ID() == old.ID() })
		concerned := slices.ContainsFunc(faults, func(f policies.Fault) bool {
			return f.Policy == old.Name() || hidesFile(f, old.file)
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
