package source

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// theirKeys begins what the Secret of a LastGood calls an object of Gatekeeper's, "gatekeeper_KIND_NAME". No Policy's name has an underscore.
const theirKeys = "gatekeeper_"

// maxKey bounds a key of a Secret; a name that is longer is kept under none.
const maxKey = 253

// theirKeyOf is the key of a file; false if nothing is kept of it: it is of templates, constraints and mutators alone.
func theirKeyOf(file string) (string, bool) {
	kind, name, ok := strings.Cut(file, "/")
	beside := slices.Contains([]string{"config", "syncset", "provider", "expansiontemplate"}, kind)
	key := theirKeys + kind + "_" + name
	return key, ok && !beside && !strings.Contains(name, "/") && len(key) <= maxKey
}

// theirFileOf is the file of a key.
func theirFileOf(key string) (string, bool) {
	kind, name, ok := strings.Cut(strings.TrimPrefix(key, theirKeys), "_")
	return kind + "/" + name, ok && strings.HasPrefix(key, theirKeys)
}

// theirGood knows of each file which version was last without fault. It is guarded by the Gatekeeper's lock.
type theirGood struct {
	files  map[string]native.File
	faulty map[string]bool // as of the last bundle
	judged bool            // of what the cluster listed
	loaded map[string]bool // the files that the last load found at fault; nil if it put nothing in force
}

// before is the last good version of a faulty file; nil if it is not faulty, or none is known.
func (t *theirGood) before(file native.File) *native.File {
	good, known := t.files[file.Name]
	if !known || !t.faulty[file.Name] || string(good.Text) == string(file.Text) {
		return nil
	}
	return &good
}

// of are the last good versions of those among files that are faulty.
func (t *theirGood) of(files []native.File) (out []native.File) {
	for _, file := range files {
		if _, keep := theirKeyOf(file.Name); !keep {
			continue
		}
		if good := t.before(file); good != nil {
			out = append(out, *good)
		}
	}
	return out
}

// Loaded notes what came of a load: call it with each, within the Report of the Loader. It is how it is known what is good.
func (g *Gatekeeper) Loaded(load policies.Load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good.loaded = nil
	if load.Set == nil {
		return
	}
	g.good.loaded = map[string]bool{}
	for _, fault := range load.Faults {
		g.good.loaded[fault.File] = true
	}
}

// settle notes which of the files are good that were yielded, once that bundle was loaded.
func (g *Gatekeeper) settle(files []native.File) {
	g.mu.Lock()
	t := &g.good
	if t.loaded == nil {
		g.mu.Unlock()
		return
	}
	before := t.files
	t.files, t.faulty, t.judged = map[string]native.File{}, maps.Clone(t.loaded), true
	for _, file := range files {
		if !t.faulty[file.Name] {
			t.files[file.Name] = file
		} else if good, known := before[file.Name]; known {
			t.files[file.Name] = good
		}
	}
	g.mu.Unlock()
	if g.Settled != nil {
		g.Settled()
	}
}

// stalled are the faulty ones, by their keys in the Secret. While nothing is known of them they are all that it has, of which it keeps what it has.
func (g *Gatekeeper) stalled(before map[string]string) map[string]stalled {
	out := map[string]stalled{}
	if g == nil {
		return out
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.good.judged {
		for key := range before {
			if strings.HasPrefix(key, theirKeys) {
				out[key] = stalled{}
			}
		}
		return out
	}
	for _, file := range g.files {
		if key, keep := theirKeyOf(file.Name); keep && g.good.faulty[file.Name] {
			out[key] = stalled{version: version(file), good: g.good.before(file)}
		}
	}
	return out
}

// remember adds to a bundle what earlier versions of its files say, each of itself alone.
func (g *Gatekeeper) remember(ctx context.Context, bundle *policies.Bundle, files, earlier []native.File) {
	replaced, taken := slices.Clone(files), map[string]bool{}
	for _, file := range earlier {
		object, err := decodeObject(file.Text)
		at := slices.IndexFunc(replaced, func(f native.File) bool { return f.Name == file.Name })
		if err == nil && at >= 0 && gatekeeper.Concerns(object.GetAPIVersion()) && gatekeeperFileName(object) == file.Name {
			replaced[at], taken[file.Name] = file, true
		}
	}
	if len(taken) == 0 {
		return
	}
	// What is wrong with the others is told of them as they are.
	read := (&gatekeeper.Reader{Operations: g.Reader.Operations}).Read(ctx, gatekeeperDocuments(replaced))
	for _, spec := range read.Specs {
		kind, _, _ := strings.Cut(spec.ID, "/")
		if taken[spec.File] || taken[GatekeeperFileName(theTemplates().kind, kind)] {
			bundle.Earlier = append(bundle.Earlier, spec)
		}
	}
	for _, d := range read.Documents {
		if taken[d.File] {
			bundle.EarlierDocuments = append(bundle.EarlierDocuments, d)
		}
	}
}
