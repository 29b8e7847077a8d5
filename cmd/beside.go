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

// beside takes up what lies among the policies and is none: ExpansionTemplates, Providers, the Config and SyncSets.
type beside struct {
	expansions expansion.Reader
	providers  *external.Reader
	settings   settled
	log        *slog.Logger
	told       []string // the Providers that are in use
}

func newBeside(o external.Options, log *slog.Logger) *beside {
	return &beside{providers: external.NewReader(o), log: log}
}

// configure makes of documents with what a Set of policies is made. It is what a policies.Loader asks for.
func (b *beside) configure(_ context.Context, docs []policies.Document) (out []policies.Option, faults policies.Faults) {
	system, wrong := b.expansions.Read(docs)
	faults = append(faults, wrong...)
	if system != nil {
		out = append(out, policies.WithExpander(system))
	}
	providers, wrong := b.providers.Read(docs)
	faults = append(faults, wrong...)
	var names []string
	if providers != nil {
		out = append(out, policies.WithExternal(providers))
		names = providers.Names()
	}
	more, wrong := b.settings.configure(docs)
	out, faults = append(out, more...), append(faults, wrong...)
	if !slices.Equal(names, b.told) {
		b.told = names
		b.log.Info("policies may ask servers outside of the cluster's API by external_data", "providers", strings.Join(names, ", "))
	}
	return out, faults
}

// takenUp reports whether a document is one that beside takes up.
func takenUp(d policies.Document) bool {
	return expansion.Concerns(d) || external.Concerns(d) || settings.Concerns(d)
}

// compile makes a Set of the policies of a bundle and what lies beside them, once.
func compile(ctx context.Context, bundle policies.Bundle, options ...policies.Option) (set *policies.Set, all []policies.Option, err error) {
	more, faults := newBeside(external.Options{}, slog.New(slog.DiscardHandler)).configure(ctx, bundle.Documents)
	all = append(append(all, options...), more...)
	set, err = policies.Compile(ctx, bundle.Specs, all...)
	if found, ok := errors.AsType[policies.Faults](err); ok {
		faults = append(faults, found...)
	} else if err != nil {
		return nil, nil, err
	}
	if len(faults) > 0 {
		return nil, nil, faults
	}
	return set, all, nil
}
