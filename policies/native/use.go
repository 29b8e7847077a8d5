package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// versionParameter is the parameter that NAME@VERSION gives to the policies that have it.
const versionParameter = "version"

// latest is the newest version of Kubernetes there is, and what policies take for the version when none is given.
const latest = "latest"

// newest is the newest minor version of Kubernetes 1 that the library was held to.
const newest = 37

// tooNew returns what should be known of a version that is newer than the newest there is an answer to, or "".
func tooNew(version string) string {
	minor, err := strconv.Atoi(strings.TrimPrefix(version, "v1."))
	if err != nil || minor <= newest {
		return ""
	}
	return fmt.Sprintf("the library knows Kubernetes up to v1.%d and judges by that where %s is named; write latest, or a version that there is", newest, version)
}

// ofFuture is tooNew of the version among parameters.
func ofFuture(parameters json.RawMessage) []error {
	var given struct{ Version string }
	if json.Unmarshal(parameters, &given) != nil {
		return nil
	}
	note := tooNew(given.Version)
	if note == "" {
		return nil
	}
	return []error{under(errors.New("parameters.version: "+note), "parameters", versionParameter)}
}

// ofVersion is how a version of Kubernetes is written.
var ofVersion = regexp.MustCompile(`^(` + latest + `|v1\.(0|[1-9][0-9]{0,4}))$`)

// Use returns the library's policies of the given names, in force as their METADATA says. A name is that of a policy or of a bundle, and may end
// in @ and a version of Kubernetes, as pss-baseline@v1.30, which those of its policies get that have the parameter version. A policy that is in
// several of the bundles is there once.
func (r *Reader) Use(names ...string) ([]policies.Spec, policies.Faults) {
	return r.UseWith(nil, names...)
}

// UseWith is Use with parameters. Who is given podTemplates is asked about the custom resources named there, too; a parameter that none of
// the policies has is a fault.
func (r *Reader) UseWith(parameters LibraryParameters, names ...string) ([]policies.Spec, policies.Faults) {
	b := bundle{reader: r, packages: r.library, tests: r.tests, shared: r.shared, own: map[string]bool{}}
	type choice struct{ version, by string }
	chosen := map[string]choice{}
	var known []string // the parameters of all of them
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			b.fault("", name, fmt.Errorf("the library's %s %q is named twice; name it once", r.called(name), name))
			continue
		}
		members, version, err := r.named(name)
		b.fault("", name, err)
		took, noted := false, false
		for _, member := range members {
			meta, theirs, err := b.declared(member)
			known = append(known, theirs...)
			given := ""
			if slices.Contains(theirs, versionParameter) {
				given = version
			}
			took = took || given != "" || err != nil
			if before, ok := chosen[member]; ok {
				if before.version != strings.TrimPrefix(given, latest) {
					b.fault("", name, fmt.Errorf("%s and %s have the policy %s, for different versions; give both the same one", before.by, name, member))
					break
				}
				continue
			}
			chosen[member] = choice{strings.TrimPrefix(given, latest), name}
			var spec policies.Spec
			if err == nil {
				var over object
				if over.policy.Spec, err = meta.given(theirs, given, parameters); err == nil {
					spec, _, err = b.spec(b.lookup(member), over)
				}
			}
			b.fault("", member, err)
			if err == nil {
				if note := tooNew(given); note != "" && !noted {
					spec.Notes, noted = append(spec.Notes, "library:"+name+": "+note), true
				}
				b.specs = append(b.specs, spec)
			}
		}
		if version != "" && err == nil && !took {
			b.fault("", name, fmt.Errorf("%s: nothing of it depends on the version of Kubernetes; leave @%s out", name, version))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		b.fault("", "", taken(name, known))
	}
	return b.specs, b.faults
}

func (r *Reader) called(name string) string {
	if base, _, _ := strings.Cut(name, "@"); slices.Contains(r.Names(), base) {
		return "policy"
	}
	return "bundle"
}

// named returns the policies that a name given to Use stands for, and the version in it.
func (r *Reader) named(name string) (members []string, version string, err error) {
	base, version, versioned := strings.Cut(name, "@")
	if versioned && !ofVersion.MatchString(version) {
		return nil, "", fmt.Errorf("%s: %q is no version of Kubernetes; write latest, or one as v1.30", name, version)
	}
	if l, ok := r.bundle(base); ok {
		return l.Policies, version, nil
	}
	if !slices.Contains(r.Names(), base) {
		return nil, "", r.unknown(base)
	}
	return []string{base}, version, nil
}

// unknown is the error about a name that neither a policy nor a bundle of the library has.
func (r *Reader) unknown(name string) error {
	near := r.near(name)
	if len(near) == 0 {
		return fmt.Errorf(`the library has no policy or bundle %q; "portcullis policies list" names those it has`, name)
	}
	return fmt.Errorf("the library has no policy or bundle %q; did you mean %s?", name, spelling.Listed(near, "or"))
}

// maxNear is how many near misses are told.
const maxNear = 3

// near returns the names that a name may have been meant for: those spelt alike, whatever the topic.
func (r *Reader) near(name string) []string {
	name, _, _ = strings.Cut(name, "@")
	names := r.Names()
	for _, l := range r.bundles {
		names = append(names, l.Name)
	}
	if nearest := spelling.Nearest(name, names...); nearest != "" {
		return []string{nearest}
	}
	rule := ruleName(name)
	var out []string
	for _, known := range names {
		theirs := ruleName(known)
		if spelling.Nearest(rule, theirs) != "" || len(rule) > 3 && strings.Contains(theirs, rule) || strings.HasPrefix(known, name+"-") {
			out = append(out, known)
		}
	}
	return out[:min(len(out), maxNear)]
}

// ruleName is a policy's name without its topic, with one kind of dash.
func ruleName(name string) string {
	return strings.ReplaceAll(name[strings.LastIndex(name, ".")+1:], "-", "_")
}

// notOne is the error about a Policy that uses what is not one policy of the library.
func (b *bundle) notOne(name string) error {
	base, _, _ := strings.Cut(name, "@")
	if _, ok := b.reader.bundle(base); ok {
		return fmt.Errorf("%s is a bundle of the library, and a Policy uses one policy; \"portcullis policies show %s -o yaml\" prints one for each in it",
			base, name)
	}
	if near := b.reader.near(name); len(near) > 0 {
		return fmt.Errorf("there is no policy %q, neither in the library nor beside it; did you mean %s?", name, spelling.Listed(near, "or"))
	}
	return fmt.Errorf("there is no policy %q, neither in the library nor beside it", name)
}
