package source

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// versions knows from which text each Policy in force was made. A load says by digests what it put in force; the texts may be of another
// bundle by then.
type versions struct {
	texts  map[string]native.File // of what was read lately, by version
	newest map[string]bool        // the versions that were read last
	good   map[string]native.File // of what is in force, by file
	faulty map[string]bool        // the files that are at fault
	judged bool                   // by a load, of what the cluster listed
}

// read notes the files that specs were read from.
func (v *versions) read(specs []policies.Spec, files []native.File, earlier []policies.Spec, earlierFiles []native.File) {
	v.newest = map[string]bool{}
	if v.texts == nil {
		v.texts = map[string]native.File{}
	}
	note := func(specs []policies.Spec, files []native.File) {
		byName := map[string]native.File{}
		for _, file := range files {
			byName[file.Name] = file
		}
		for _, spec := range specs {
			if isPolicy(spec) {
				key := versionOf(spec)
				v.texts[key], v.newest[key] = byName[spec.File], true
			}
		}
	}
	note(earlier, earlierFiles)
	note(specs, files)
}

// isPolicy reports whether a Policy object is the source of spec, and not one in a ConfigMap.
func isPolicy(spec policies.Spec) bool { return spec.File == PolicyFileName(spec.ID) }

func versionOf(spec policies.Spec) string { return spec.File + " " + spec.Digest }

// Loaded notes what came of a load: call it with each. It is how the last good version of a Policy is known.
func (o *Objects) Loaded(load policies.Load) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := &o.versions
	if load.Set == nil {
		return
	}
	v.judged = o.live
	good, texts := map[string]native.File{}, map[string]native.File{}
	for _, policy := range load.Set.Policies() {
		spec := policy.Spec()
		if !isPolicy(spec) {
			continue
		}
		key := versionOf(spec)
		if text, known := v.texts[key]; known {
			good[spec.File], texts[key] = text, text
		}
	}
	for key, text := range v.texts {
		if v.newest[key] {
			texts[key] = text // whose load is yet to come, perhaps
		}
	}
	v.good, v.texts, v.faulty = good, texts, map[string]bool{}
	for _, fault := range load.Faults {
		v.faulty[fault.File] = true
	}
}

// stalled is a Policy that is faulty.
type stalled struct {
	version string       // which
	good    *native.File // its last good version; nil if none is known
}

// stalled returns the Policies of the cluster that are faulty, by name; false when nothing is known of them.
func (o *Objects) stalled() (map[string]stalled, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]stalled{}
	for _, file := range o.files {
		name, ok := strings.CutPrefix(file.Name, PolicyFileName(""))
		if !ok || !o.versions.faulty[file.Name] {
			continue
		}
		is := stalled{version: version(file)}
		if good, known := o.versions.good[file.Name]; known && string(good.Text) != string(file.Text) {
			is.good = &good
		}
		out[name] = is
	}
	return out, o.versions.judged
}

// Keep returns what to keep for a server that is started while the API server is away: the files of the last bundle, and the last good
// version of each Policy among them that is faulty. It is nil before the cluster's policies were listed and put in force.
func (o *Objects) Keep() *Kept {
	faulty, judged := o.stalled()
	if !judged {
		return nil
	}
	files, _ := o.read()
	kept := &Kept{Files: files}
	for _, is := range faulty {
		if is.good != nil {
			kept.Good = append(kept.Good, *is.good)
		}
	}
	slices.SortFunc(kept.Good, func(a, b native.File) int { return strings.Compare(a.Name, b.Name) })
	return kept
}

// earlierSpecs reads the earlier versions of Policies that are still there. A file says nothing of other policies than its own.
func (o *Objects) earlierSpecs(files, earlier []native.File) (out []policies.Spec) {
	replaced, any := slices.Clone(files), false
	for _, file := range earlier {
		if at := slices.IndexFunc(replaced, func(f native.File) bool { return f.Name == file.Name }); at >= 0 {
			replaced[at], any = file, true
		}
	}
	if !any {
		return nil
	}
	specs, _ := o.Reader.Read(replaced) // what is wrong with the others is told of them as they are
	for _, spec := range specs {
		if isPolicy(spec) && slices.ContainsFunc(earlier, func(f native.File) bool { return f.Name == spec.File }) {
			out = append(out, spec)
		}
	}
	return out
}
