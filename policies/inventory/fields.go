package inventory

import (
	"maps"
	"slices"
	"strings"
)

// Step is one step of a path into a document: the member of that Name, or, if Any is set, every member and every element.
type Step struct {
	Name string
	Any  bool
}

// Fields says which parts of a document are kept: the whole of it, or some of its members and of them some parts again. Its zero value
// keeps that there is something, and nothing in it. Fields are built by one goroutine and not changed once they are in use.
type Fields struct {
	whole   bool
	members map[string]*Fields // each keeps at least what any does
	any     *Fields
}

// Add keeps what is at path: with whole everything below it, otherwise no more than that it is there. A scalar is kept as it is
// either way.
func (f *Fields) Add(path []Step, whole bool) {
	if len(path) == 0 {
		f.whole = f.whole || whole
		return
	}
	first, rest := path[0], path[1:]
	if first.Any {
		if f.any == nil {
			f.any = &Fields{}
		}
		f.any.Add(rest, whole)
		for _, member := range f.members {
			member.Add(rest, whole)
		}
		return
	}
	member := f.members[first.Name]
	if member == nil {
		member = &Fields{}
		if f.any != nil {
			member.Merge(f.any)
		}
		if f.members == nil {
			f.members = map[string]*Fields{}
		}
		f.members[first.Name] = member
	}
	member.Add(rest, whole)
}

// Merge keeps what other keeps, too. Other is not changed and shares nothing with f afterwards.
func (f *Fields) Merge(other *Fields) {
	other.paths(nil, f.Add)
}

// paths calls each with all it takes to build the same Fields again.
func (f *Fields) paths(prefix []Step, each func(path []Step, whole bool)) {
	each(prefix, f.whole)
	if f.any != nil {
		f.any.paths(append(slices.Clip(prefix), Step{Any: true}), each)
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		f.members[name].paths(append(slices.Clip(prefix), Step{Name: name}), each)
	}
}

// Covers reports whether f keeps everything that other does.
func (f *Fields) Covers(other *Fields) bool {
	covers := true
	other.paths(nil, func(path []Step, whole bool) { covers = covers && f.keeps(path, whole) })
	return covers
}

func (f *Fields) keeps(path []Step, whole bool) bool {
	for _, step := range path {
		switch {
		case step.Any && f.whole:
			f = &Fields{whole: true}
		case step.Any:
			f = f.any
		case f.whole && isBookkeeping(step.Name) && f.members[step.Name] == nil:
			return false
		default:
			f = f.below(step.Name)
		}
		if f == nil {
			return false
		}
	}
	return f.whole || !whole
}

// child is what is kept of a member, or nil.
func (f *Fields) child(name string) *Fields {
	if member := f.members[name]; member != nil {
		return member
	}
	return f.any
}

// below is what is kept of a member of a document of which the whole may be kept, or nil.
func (f *Fields) below(name string) *Fields {
	if f.whole && len(f.members) == 0 {
		return f
	}
	member := f.child(name)
	if f.whole && (member == nil || !member.whole) {
		whole := &Fields{whole: true}
		if member != nil {
			whole.members = member.members
		}
		return whole
	}
	return member
}

// String lists what is kept, "metadata.labels, spec.rules[].host": everything below each. What is kept merely to be there is in
// brackets.
func (f *Fields) String() string {
	if f.whole {
		return "everything"
	}
	var out []string
	f.describe("", &out)
	if len(out) == 0 {
		return "nothing but the names"
	}
	return strings.Join(out, ", ")
}

func (f *Fields) describe(at string, out *[]string) {
	if f.whole {
		*out = append(*out, at)
		return
	}
	if f.any == nil && len(f.members) == 0 && at != "" {
		*out = append(*out, "("+at+")")
	}
	if f.any != nil {
		f.any.describe(at+"[]", out)
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		path := name
		if at != "" {
			path = at + "." + name
		}
		f.members[name].describe(path, out)
	}
}

// Of returns what is kept of each object, given what is read below data.kubernetes[kind]: objects lie two levels down if the kind has
// namespaces, else one.
func (f *Fields) Of(namespaced bool) *Fields {
	depth := 1
	if namespaced {
		depth = 2
	}
	out := &Fields{}
	f.paths(nil, func(path []Step, whole bool) {
		if len(path) >= depth {
			out.Add(path[depth:], whole)
		} else if whole {
			out.Add(nil, true)
		}
	})
	return out
}

// OnlyMetadata reports whether nothing is kept of an object but its metadata.
func (f *Fields) OnlyMetadata() bool {
	if f.whole || f.any != nil {
		return false
	}
	for name := range f.members {
		if name != "metadata" {
			return false
		}
	}
	return true
}

// What servers and kubectl note about an object and no policy means when it reads "the object": it is often the larger half.
const (
	managedFields = "managedFields"
	lastApplied   = "kubectl.kubernetes.io/last-applied-configuration"
)

func isBookkeeping(name string) bool { return name == managedFields || name == lastApplied }
