package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/policies"
)

// patience is how long a policy outlives its file. What saves by deleting and writing again, or copies file by file into a directory it
// has cleared, is through within it; what is added or changed is not held up by it.
const patience = time.Second

// reading is what was read last. Its zero value is that of nothing yet.
type reading struct {
	begun   bool
	digest  [sha256.Size]byte
	bundle  policies.Bundle
	good    []policies.Spec      // the last version of every policy that could be read, also of those behind a fault now
	problem string               // why the paths cannot be read now
	files   map[string]bool      // those that were there, by name
	gone    map[string]time.Time // those that are not any more, and since when
}

// next returns what another look at the paths, which came to state or to err, has to say; and whether that is anything new.
func (r *reading) next(ctx context.Context, f *Files, state snapshot, err error, now time.Time) (policies.Bundle, bool) {
	if err != nil {
		if err.Error() == r.problem {
			return policies.Bundle{}, false
		}
		r.problem = err.Error()
		// The faults of before are not mended by this one: without them, policies that keep their last good version would lose it.
		bundle := r.bundle
		bundle.Faults = append(slices.Clone(bundle.Faults), policies.Fault{Err: err})
		return bundle, true
	}
	believed := r.miss(state, now)
	if r.begun && state.digest == r.digest && r.problem == "" && !believed {
		return policies.Bundle{}, false
	}
	bundle := f.read(ctx, state)
	r.hold(&bundle, state)
	r.begun, r.digest, r.problem, r.bundle = true, state.digest, "", bundle
	return bundle, true
}

// miss notes which files are gone, and since when. It reports whether one has been for so long that its policies are.
func (r *reading) miss(state snapshot, now time.Time) (believed bool) {
	before, gone := r.files, r.gone
	r.files, r.gone = map[string]bool{}, map[string]time.Time{}
	for _, file := range state.files {
		r.files[file.Name] = true
	}
	for name, since := range gone {
		switch {
		case r.files[name]:
		case now.Sub(since) < patience:
			r.gone[name] = since
		default:
			believed = true
		}
	}
	for name := range before {
		if !r.files[name] {
			r.gone[name] = now
		}
	}
	return believed
}

// hold puts the policies back whose files are gone since a moment only, and those whose files are empty; and the documents that lie beside them.
func (r *reading) hold(bundle *policies.Bundle, state snapshot) {
	good, held := slices.Clone(bundle.Specs), r.holdDocuments(bundle, state) // held is what was in each empty file
	for _, old := range r.good {
		at := slices.IndexFunc(bundle.Specs, func(s policies.Spec) bool { return s.ID == old.ID })
		if at >= 0 && len(bundle.Specs[at].Modules) >= len(old.Modules) {
			continue // it is somewhere else now, or all of it is where it was
		}
		keep := false
		for name := range r.gone {
			keep = keep || old.ReadFrom(name)
		}
		for _, file := range state.files {
			if len(bytes.TrimSpace(file.Text)) == 0 && old.ReadFrom(file.Name) {
				keep = true
				held[file.Name] = append(held[file.Name], old.ID)
			}
		}
		switch {
		case keep && at >= 0:
			bundle.Specs[at], good[at] = old, old
		case keep:
			bundle.Specs = append(bundle.Specs, old)
			good = append(good, old)
		case at < 0 && slices.ContainsFunc(bundle.Faults, func(f policies.Fault) bool { return f.Concerns(old) }):
			good = append(good, old)
		}
	}
	r.good = good
	for _, file := range state.files {
		if ids := held[file.Name]; len(ids) > 0 {
			bundle.Faults = slices.DeleteFunc(bundle.Faults, func(f policies.Fault) bool { return f.File == file.Name })
			bundle.Faults = append(bundle.Faults, policies.Fault{File: file.Name, Err: fmt.Errorf(
				"%s: the file is empty; what it held stays in force until the file is filled or deleted: %s", file.Name, strings.Join(ids, ", "))})
		}
	}
}

// holdDocuments does so for documents, and returns which are held of each empty file. What cannot be read any more is a fault, and whoever
// takes documents up knows what it had of the file.
func (r *reading) holdDocuments(bundle *policies.Bundle, state snapshot) (held map[string][]string) {
	empty := map[string]bool{}
	for _, file := range state.files {
		empty[file.Name] = len(bytes.TrimSpace(file.Text)) == 0
	}
	held = map[string][]string{}
	for _, old := range r.bundle.Documents {
		elsewhere := slices.ContainsFunc(bundle.Documents, func(d policies.Document) bool {
			return d.Object.GroupVersionKind() == old.Object.GroupVersionKind() && d.Object.GetName() == old.Object.GetName()
		})
		_, gone := r.gone[old.File]
		if elsewhere || !gone && !empty[old.File] {
			continue
		}
		bundle.Documents = append(bundle.Documents, old)
		if !gone {
			held[old.File] = append(held[old.File], old.Object.GetKind()+" "+old.Object.GetName())
		}
	}
	return held
}

// wait is how long it may take until the next look at the paths.
func (r *reading) wait(now time.Time) time.Duration {
	if r.problem != "" {
		return poll // whether a file is gone cannot be told
	}
	out := poll
	for _, since := range r.gone {
		out = min(out, max(since.Add(patience).Sub(now), 0))
	}
	return out
}
