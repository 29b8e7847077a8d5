package policies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Load tells what one attempt to put policies in force came to.
type Load struct {
	Set    *Set   // what is in force now; nil as long as there never were any policies
	Faults Faults // what was wrong; where a policy had an earlier good version, that one stays in force
	// Fatal are those of the Faults with which a server that starts now would end: see Loader.
	Fatal Faults
	Kept  []string
	Notes []string // what is no fault and should be known
	// Documents are what the sources have beside policies.
	Documents []Document
	// Added, Changed and Removed name the policies in which Set differs from what was in force before, in policy order.
	Added, Changed, Removed []string
}

// Loader keeps an Engine's Set true to its Sources. It compiles what changed, and runs the tests that come with it, off the request path, and puts
// a new Set in force in one step. A policy whose new version is faulty, or fails a test of its own, keeps its last good one, or has the one that its Bundle brings as Earlier; the others move on. The first Set is only put in force whole: a
// server that begins with a faulty policy would not enforce it and nobody would notice. Faults of Bundles that are Listed are told where
// the policy lies, and are no reason not to begin.
type Loader struct {
	Engine  *Engine
	Sources []Source
	Options []Option
	// Suffice, if it is set, reports whether documents beside the policies are enough to serve by, so that it is no fault if there are no policies.
	Suffice func([]Document) bool
	// Gate, if it is not nil, judges every policy that was compiled before it is put in force. What it returns is a Fault like any other.
	Gate func(context.Context, *Policy) error
	// Configure, if set, is given all that the sources have, for the sake of the Documents and of what Faults may hide of them, and returns with
	// what more than Options a Set is made, and what is wrong with it. It is called one at a time, before each Set.
	Configure func(context.Context, Bundle) ([]Option, Faults)
	// Prepare, if set, is called with a Set before that comes into force, and waited for: to fetch what its policies need.
	Prepare func(context.Context, *Set)
	// Report is called after each attempt, one at a time.
	Report func(Load)

	bundles []*Bundle
}

// Run runs the sources and loads whatever they yield, until ctx ends. It returns an error when a source does, or when the first
// complete load is faulty.
func (l *Loader) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l.bundles = make([]*Bundle, len(l.Sources))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, source := range l.Sources {
		wg.Go(func() {
			err := source.Run(ctx, func(bundle Bundle) {
				mu.Lock()
				defer mu.Unlock()
				l.bundles[i] = &bundle
				if err := l.load(ctx); err != nil {
					cancel(err)
				}
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// load compiles what all sources have yielded. It does nothing until each has.
func (l *Loader) load(ctx context.Context) error {
	found, complete := together(l.bundles)
	if !complete {
		return nil
	}
	previous := l.Engine.Set()
	specs, twice := arrange(found.Specs)
	faults := slices.Concat(found.Faults, twice)
	specs = slices.DeleteFunc(specs, func(spec Spec) bool { return torn(spec, faults, previous) })
	compiled, failed := l.compileChanged(ctx, specs, previous)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end is no fault of the policies
	}
	compiled, contrary := withoutContradictions(compiled)
	faults = append(append(faults, failed...), contrary...)
	options, ill := l.configure(ctx, found)
	compiled, lacking := unprovided(compiled, externalOf(options))
	faults = append(append(faults, ill...), lacking...)
	if fatal := unlisted(faults); previous == nil && len(fatal) > 0 {
		return fatal
	}
	compiled, kept := keep(compiled, previous, faults)
	compiled, taken, failed := l.earlier(ctx, found.Earlier, compiled, faults)
	kept, faults = append(kept, taken...), append(faults, failed...)
	// What is kept may contradict what is there now, and be the very version that has just lost to it.
	compiled, beside := withoutContradictions(compiled, kept...)
	kept = slices.DeleteFunc(kept, beside.of)
	faults = append(faults, slices.DeleteFunc(beside, func(f Fault) bool { return contrary.of(f.Policy) })...)
	enough := len(compiled) > 0 || found.Listed || l.Suffice != nil && l.Suffice(found.Documents)
	if !enough && len(faults) == 0 {
		faults = Faults{{Err: errNoPolicies}}
	}
	if enough {
		next := NewSet(compiled, append(options, WithExceptions(found.Exceptions), withDocuments(found.Documents))...)
		if l.Prepare != nil {
			l.Prepare(ctx, next)
		}
		l.Engine.Use(next)
	}
	if l.Report != nil {
		load := Load{
			Set: l.Engine.Set(), Faults: faults, Fatal: unlisted(faults), Kept: kept, Notes: found.Notes, Documents: found.Documents,
		}
		load.compare(previous)
		l.Report(load)
	}
	return nil
}

// configure is with what a Set is made. A fault of what came in a Bundle that is Listed is such a one.
func (l *Loader) configure(ctx context.Context, found Bundle) ([]Option, Faults) {
	options := slices.Clip(l.Options)
	if l.Configure == nil {
		return options, nil
	}
	more, faults := l.Configure(ctx, found)
	for i, fault := range faults {
		faults[i].listed = slices.ContainsFunc(found.Documents, func(d Document) bool { return d.listed && d.File == fault.File })
	}
	return append(options, more...), faults
}

// together joins the bundles of all sources. The whole is Listed if every bundle is. It is not complete until every source has yielded.
func together(bundles []*Bundle) (all Bundle, complete bool) {
	all.Listed = true
	for _, bundle := range bundles {
		if bundle == nil {
			return all, false
		}
		for _, spec := range bundle.Specs {
			spec.listed = bundle.Listed
			all.Specs = append(all.Specs, spec)
		}
		for _, spec := range bundle.Earlier {
			spec.listed = bundle.Listed
			all.Earlier = append(all.Earlier, spec)
		}
		for _, fault := range bundle.Faults {
			fault.listed = bundle.Listed
			all.Faults = append(all.Faults, fault)
		}
		all.Exceptions = append(all.Exceptions, bundle.Exceptions...)
		for _, document := range bundle.Documents {
			document.listed = bundle.Listed
			all.Documents = append(all.Documents, document)
		}
		for _, document := range bundle.EarlierDocuments {
			document.listed = bundle.Listed
			all.EarlierDocuments = append(all.EarlierDocuments, document)
		}
		all.Notes = append(all.Notes, bundle.Notes...)
		all.Listed = all.Listed && bundle.Listed
	}
	return all, true
}

// unlisted are the faults with which a server does not begin.
func unlisted(faults Faults) Faults {
	return slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return f.listed })
}

// errNoPolicies is the fault of sources in which there is nothing: a volume that is not there yet looks so, and a server that then
// allowed everything would be an open gate.
var errNoPolicies = errors.New("there are no policies; what was in force, if anything, stays in force")

// arrange puts specs into policy order and takes out those of one name, that of an operator's file before that of an object.
func arrange(specs []Spec) ([]Spec, Faults) {
	specs = slices.Clone(specs)
	slices.SortStableFunc(specs, func(a, b Spec) int { return cmp.Or(cmp.Compare(a.ID, b.ID), listedLast(a, b)) })
	return unique(specs)
}

// torn reports whether a part of a policy that is in force can no longer be read, or may be what is wrong with a file of another name. What
// is left of it may well compile, and would not say what it said before.
func torn(spec Spec, faults Faults, previous *Set) bool {
	old := byID(previous)[spec.ID]
	return old != nil && slices.ContainsFunc(faults, func(f Fault) bool {
		return f.tears(old.spec) || f.hides(old.spec) && len(spec.Modules) < len(old.spec.Modules)
	})
}

// listedLast orders what an operator put beside the server before what came by way of an API. An object must not be able to put a file's
// policy out of force, nor to keep the server from starting by being at odds with it.
func listedLast(a, b Spec) int {
	switch {
	case a.listed == b.listed:
		return 0
	case a.listed:
		return 1
	}
	return -1
}

// unique refuses every policy of a name that several have: whichever was taken, half of the users would be wrong. Only where one is a
// file's and the others are objects the file's stands.
func unique(specs []Spec) (out []Spec, faults Faults) {
	for i, spec := range specs {
		same := func(at int) bool { return at >= 0 && at < len(specs) && specs[at].ID == spec.ID }
		if !same(i-1) && (!same(i+1) || !spec.listed && specs[i+1].listed) {
			out = append(out, spec)
			continue
		}
		other := i + 1
		if same(i - 1) {
			other = i - 1
		}
		faults = append(faults, Fault{
			File: spec.File, Policy: spec.ID, listed: spec.listed,
			Err: fmt.Errorf("%s: policy %s is also defined in %s; give one of them another name", spec.at(), spec.ID, specs[other].at()),
		})
	}
	return out, faults
}

// compileChanged compiles and tests what differs from the Set before, has the Gate judge it, and takes the rest from the Set.
func (l *Loader) compileChanged(ctx context.Context, specs []Spec, previous *Set) ([]*Policy, Faults) {
	known := byID(previous)
	var compiled []*Policy
	var changed []Spec
	for _, spec := range specs {
		if policy := known[spec.ID]; policy != nil && policy.spec.Digest == spec.Digest {
			compiled = append(compiled, policy.beside(spec.Tests))
		} else {
			changed = append(changed, spec)
		}
	}
	fresh, faults := compileAll(ctx, changed, previous.codes())
	for _, policy := range fresh {
		if policy == nil {
			continue
		}
		if l.Gate != nil {
			if err := l.Gate(ctx, policy); err != nil {
				faults = append(faults, Fault{File: policy.spec.File, Policy: policy.spec.ID, Err: err, listed: policy.spec.listed})
				continue
			}
		}
		compiled = append(compiled, policy)
	}
	return compiled, faults
}

// keep adds the last good version of every policy that is missing and that the faults concern, by name or, where the fault is a file's as a
// whole, in whatever file it was: it may be in the faulty one now, under the name that file has been given.
func keep(compiled []*Policy, previous *Set, faults Faults) (all []*Policy, kept []string) {
	all = compiled
	if previous != nil {
		have := map[string]bool{}
		for _, policy := range compiled {
			have[policy.spec.ID] = true
		}
		for _, policy := range previous.policies {
			concerned := slices.ContainsFunc(faults, func(f Fault) bool { return f.Concerns(policy.spec) })
			if concerned && !have[policy.spec.ID] {
				all = append(all, policy)
				kept = append(kept, policy.spec.ID)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Policy) int { return cmp.Compare(a.spec.ID, b.spec.ID) })
	return all, kept
}

// ReadFrom reports whether some part of the policy was read from file.
func (s Spec) ReadFrom(file string) bool {
	return s.File == file || slices.ContainsFunc(s.Modules, func(m *ast.Module) bool { return m.Package.Location.File == file })
}
