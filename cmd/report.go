package cmd

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
)

// reportLoad tells the log and the metrics what came of loading policies. A fault is told when it comes and when it is gone, and not while
// it lasts. A load that came to what the one before came to is not told: one save can be several, as when a file is renamed over another
// and its old name is waited for.
func reportLoad(log *slog.Logger, m *Metrics) func(policies.Load) {
	told, noted := map[string]bool{}, map[string]bool{}
	var before []any
	return func(load policies.Load) {
		m.loaded(load)
		now := map[string]bool{}
		for _, fault := range load.Faults {
			text := fault.Err.Error()
			switch {
			case told[text] || now[text]:
			case errors.Is(fault.Err, gatekeeper.ErrNoTemplate): // an order of applying and deleting, and nobody's mistake
				log.Warn("a constraint has no template; it is not in force, unless it was before", where(fault, text)...)
			default:
				log.Error("a policy is faulty; its last good version, if any, stays in force", where(fault, text)...)
			}
			now[text] = true
		}
		for _, text := range slices.Sorted(maps.Keys(told)) {
			if !now[text] {
				log.Info("a fault of the policies is gone", "error", text)
			}
		}
		told = now
		for _, note := range notes(load.Notes, load.Documents) {
			if !noted[note] {
				log.Warn("about the policies", "note", note)
			}
			noted[note] = true
		}
		if load.Set == nil {
			return
		}
		attrs := []any{"policies", len(load.Set.Policies()), "revision", load.Set.Revision()}
		attrs = append(attrs, changes(load.Added, load.Changed, load.Removed, load.Kept)...)
		attrs = append(attrs, "faults", len(load.Faults))
		if !slices.Equal(attrs, before) {
			log.Info("policies are in force", attrs...)
		}
		before = attrs
	}
}

// changes are the attributes of what has changed; there are none for what has not.
func changes(added, changed, removed, kept []string) (attrs []any) {
	for _, list := range []struct {
		what  string
		names []string
	}{{"added", added}, {"changed", changed}, {"removed", removed}, {"kept", kept}} {
		if len(list.names) > 0 {
			attrs = append(attrs, list.what, enumerate(list.names))
		}
	}
	return attrs
}

// notes are what people should know of policies that are not faulty, and of documents that nobody takes up.
func notes(notes []string, documents []policies.Document) []string {
	out := slices.Clone(notes)
	for _, d := range documents {
		if takenUp(d) || isMutator(d) {
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s %s is not in force: objects of %s are not taken up yet",
			d.At(), d.Object.GetKind(), d.Object.GetName(), d.Object.GroupVersionKind().Group))
	}
	return append(out, settings.Notes(documents)...)
}

// where are the attributes of a fault; of what cannot be read at all neither file nor policy is known.
func where(fault policies.Fault, text string) (attrs []any) {
	for _, attr := range [][2]string{{"file", fault.File}, {"policy", fault.Policy}, {"exception", fault.Exception}} {
		if attr[1] != "" {
			attrs = append(attrs, attr[0], attr[1])
		}
	}
	return append(attrs, "error", text)
}

// maxNamed bounds the names in one attribute of a log line: a thousand policies are loaded at once, but nobody reads a thousand names.
const maxNamed = 10

// enumerate lists names, at most maxNamed of them.
func enumerate(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
