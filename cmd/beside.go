package cmd

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
)

// beside takes up what lies among the policies and is none: Gatekeeper's mutators, ExpansionTemplates and Providers, the Config and SyncSets.
type beside struct {
	mutators   *Mutators
	expansions expansion.Reader
	providers  *external.Reader
	settings   settled
	log        *slog.Logger
	good       []policies.Document // those of the last reading
	told       []string            // the Providers that are in use
}

func newBeside(mutators *Mutators, o external.Options, log *slog.Logger) *beside {
	b := &beside{mutators: mutators, providers: external.NewReader(o), log: log}
	mutators.spares = b.settings.sparesMutators
	return b
}

// configure makes of what lies beside the policies with what a Set of them is made. It is what a policies.Loader asks for. The mutators come into
// force with it.
func (b *beside) configure(_ context.Context, found policies.Bundle) (out []policies.Option, faults policies.Faults) {
	docs := b.standing(found)
	providers, faults := b.providers.Read(docs)
	var names []string
	if providers != nil {
		out = append(out, policies.WithExternal(providers))
		names = providers.Names()
	}
	more, wrong := b.settings.configure(docs)
	out, faults = append(out, more...), append(faults, wrong...)
	if !slices.Equal(names, b.told) {
		b.told = names
		b.log.Info("policies and mutators may ask servers outside of the cluster's API", "providers", strings.Join(names, ", "))
	}
	mutators, wrong := b.mutators.take(found, providers)
	faults = append(faults, wrong...)
	b.expansions.Mutators = nil
	if len(mutators.members()) > 0 {
		out = append(out, policies.WithRevision("mutators "+mutators.Revision()))
		b.expansions.Mutators = mutators
	}
	system, wrong := b.expansions.Read(docs)
	faults = append(faults, wrong...)
	if system != nil {
		out = append(out, policies.WithExpander(system))
	}
	return out, faults
}

// standing are the documents that are found, and those of the last reading that are missing because their file cannot be read.
func (b *beside) standing(found policies.Bundle) []policies.Document {
	docs := slices.Clip(found.Documents)
	for _, old := range b.good {
		same := func(d policies.Document) bool {
			return d.Object.GetKind() == old.Object.GetKind() && d.Object.GetName() == old.Object.GetName()
		}
		if !slices.ContainsFunc(docs, same) && slices.ContainsFunc(found.Faults, func(f policies.Fault) bool { return hidesFile(f, old.File) }) {
			docs = append(docs, old)
		}
	}
	b.good = slices.DeleteFunc(slices.Clone(docs), func(d policies.Document) bool { return !takenUp(d) })
	return docs
}

// hidesFile reports whether a fault is that of a file, or of all of them, as a whole.
func hidesFile(f policies.Fault, file string) bool {
	return f.Policy == "" && f.Exception == "" && (f.File == "" || f.File == file)
}

// takenUp reports whether a document is one that beside takes up.
func takenUp(d policies.Document) bool {
	return expansion.Concerns(d) || external.Concerns(d) || settings.Concerns(d)
}

// judgement is all that a bundle says, ready to be asked once.
type judgement struct {
	set     *policies.Set
	options []policies.Option // with which the Set is made
	theirs  *mutatorSet
}

// compile makes a Set of the policies of a bundle and what lies beside them. The error is Faults if something is wrong with them.
func compile(ctx context.Context, bundle policies.Bundle, around surroundings, options ...policies.Option) (*judgement, error) {
	silent := slog.New(slog.DiscardHandler)
	mutators := &Mutators{surroundings: around, log: silent}
	more, faults := newBeside(mutators, external.Options{}, silent).configure(ctx, bundle)
	out := &judgement{options: append(slices.Clip(options), more...), theirs: mutators.current.Load()}
	var err error
	out.set, err = policies.Compile(ctx, bundle.Specs, out.options...)
	if found, ok := errors.AsType[policies.Faults](err); ok {
		faults = append(faults, found...)
	} else if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return out, nil
}
