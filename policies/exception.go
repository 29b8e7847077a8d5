package policies

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// Exception lets the objects of its namespace that it matches pass the policies it names, until it expires. It holds at admission alone:
// who may write exceptions in a namespace must not be able to lift a guard. Its zero value excepts nothing, nor does one that lacks a
// namespace, a policy, a resource or an end.
type Exception struct {
	Namespace, Name string
	Policies        []string // by ID
	// Match's Resources, Operations and Labels must all hold; its other conditions mean nothing here. Labels are those of the object as it
	// is to become, so that who takes a label away is no longer excepted.
	Match   Match
	Names   []Glob // of objects; none means every name
	Reason  string
	Expires time.Time
	Digest  string // of everything that makes it what it is
}

func (e *Exception) name() string { return e.Namespace + "/" + e.Name }

// WithExceptions gives a Set the exceptions from its policies.
func WithExceptions(list []Exception) Option {
	return func(s *Set) { s.exceptions = newExceptions(list) }
}

// withDocuments has the revision name what lies beside the policies, too, so that servers of one revision have all in common.
func withDocuments(list []Document) Option {
	return func(s *Set) {
		for _, d := range list {
			text, err := d.Object.MarshalJSON()
			s.beside = append(s.beside, fmt.Sprintf("document %s %s %v", d.Object.GetKind(), text, err))
		}
		slices.Sort(s.beside)
	}
}

// WithRevision has the revision name what is in force together with a Set, by a text that is equal for what is the same.
func WithRevision(of string) Option {
	return func(s *Set) { s.beside = append(s.beside, of) }
}

// WithClock gives a Set the clock by which exceptions expire; without it, the system's.
func WithClock(now func() time.Time) Option { return func(s *Set) { s.now = now } }

// exceptions finds the exceptions from a policy. Each is asked by itself: two that together describe an object do not except it.
type exceptions struct {
	all      []*Exception // in the order of their names, so that the same one is named each time
	byPolicy map[string][]*Exception
}

func newExceptions(list []Exception) exceptions {
	out := exceptions{byPolicy: map[string][]*Exception{}}
	for i := range list {
		out.all = append(out.all, &list[i])
	}
	slices.SortStableFunc(out.all, func(a, b *Exception) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, e := range out.all {
		for _, policy := range e.Policies {
			out.byPolicy[policy] = append(out.byPolicy[policy], e)
		}
	}
	return out
}

// of returns the first exception from the policy that holds for the request, or nil.
func (x exceptions) of(policy string, req *review.Request, now time.Time) *Exception {
	if req.Stage != review.Validate && req.Stage != review.Mutate {
		return nil
	}
	for _, e := range x.byPolicy[policy] {
		if now.Before(e.Expires) && e.holds(req) {
			return e
		}
	}
	return nil
}

// holds reports whether the request is about an object that the exception describes. A Namespace is no object of its own namespace.
func (e *Exception) holds(req *review.Request) bool {
	t := req.Target
	if t.Namespace == "" || t.Namespace != e.Namespace || t.IsNamespace() || !e.Match.concerns(req) ||
		!slices.ContainsFunc(e.Match.Resources, func(r Resource) bool { return r.covers(t) }) {
		return false
	}
	object := req.Object
	if len(object) == 0 {
		object = req.OldObject
	}
	if len(e.Names) > 0 && !anyGlob(e.Names, nameOf(t, object)) {
		return false
	}
	if e.Match.Labels == nil {
		return true
	}
	if len(object) == 0 {
		return false
	}
	set, err := labelsOf(object)
	return err == nil && e.Match.Labels.Matches(set)
}

// covers reports whether a target is of the resource.
func (r Resource) covers(t review.Target) bool {
	switch {
	case r.Any:
		return t.Subresource == ""
	case r.Resource == "":
		return t.Subresource == "" && t.Group == r.Group
	}
	return r == Resource{Group: t.Group, Resource: t.Resource, Subresource: t.Subresource}
}

// nameOf is the name by which an exception knows an object. Where the API server has yet to make one, it is what the name will begin
// with and a byte that no name has: "web-*" holds for it, "*-a" and "web-1" do not, for who knows what it will end in.
func nameOf(t review.Target, object []byte) string {
	if t.Name != "" {
		return t.Name
	}
	prefix := ""
	d := rawjson.NewDecoder(object)
	_ = d.Object(func(name []byte) error { // what cannot be read has no name, and the review was read before
		if string(name) != "metadata" || d.Kind() != rawjson.Object {
			return d.Skip()
		}
		return d.Object(func(name []byte) (err error) {
			if string(name) != "generateName" || d.Kind() != rawjson.String {
				return d.Skip()
			}
			prefix, err = d.String()
			return err
		})
	})
	return prefix + "\x00"
}

// except turns what a policy had to say, from the given positions on, into a note that an exception lifts it, if one does. A fault is
// lifted with the rest: whatever the policy would have said would have been. Edits are not made.
func (s *Set) except(d *review.Decision, req *review.Request, policy string, findings, edits int, now time.Time) {
	e := s.exceptions.of(policy, req, now)
	if e == nil {
		return
	}
	if count := len(d.Edits) - edits; count > 0 {
		d.Edits = d.Edits[:edits]
		d.Findings = append(d.Findings, review.Finding{Policy: policy, Message: fmt.Sprintf("edits that are not made: %d", count)})
	}
	for i := range d.Findings[findings:] {
		f := &d.Findings[findings+i]
		f.Effect = review.EffectExcepted
		f.Exception = &review.Exception{Name: e.name(), Reason: e.Reason, Expires: e.Expires}
	}
}
