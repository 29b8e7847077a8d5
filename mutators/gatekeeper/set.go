package gatekeeper

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// Set is the mutators in force, ready to be one link of a mutators.Chain; what the links after it ask sees what it did. It is immutable and
// safe for concurrent use; a nil Set changes nothing.
type Set struct {
	mutators []*Mutator
	answers  *answers // of Providers, in the review that it is for; nil: none are asked
}

// Asking returns the mutators for one review, in which ask answers what they want to know of Providers. To a Set that was not made so, and with
// nil, no Provider answers.
func (s *Set) Asking(ask External) *Set {
	if s == nil {
		return nil
	}
	return &Set{mutators: s.mutators, answers: newAnswers(ask)}
}

// NewSet puts mutators in force, in whatever order they are given. It leaves out those that contradict each other about what an object
// looks like, because one uses a place as a list and another as an object, or they use lists with different keys; and those of which there
// are several of one kind and name. None of them is applied, because nobody has said which one should be. There is an *Error for each.
func NewSet(list []*Mutator) (*Set, []error) {
	list = slices.SortedStableFunc(slices.Values(list), func(a, b *Mutator) int {
		return cmp.Or(cmp.Compare(a.id.Kind, b.id.Kind), cmp.Compare(a.id.Name, b.id.Name), cmp.Compare(a.at, b.at))
	})
	var errs []error
	out := &Set{}
	for i, m := range list {
		other := -1
		if i > 0 && list[i-1].id == m.id {
			other = i - 1
		} else if i+1 < len(list) && list[i+1].id == m.id {
			other = i + 1
		}
		if other < 0 {
			out.mutators = append(out.mutators, m)
			continue
		}
		where := ""
		if at := list[other].at; at != "" {
			where = " in " + at
		}
		errs = append(errs, &Error{m.id, m.at, fmt.Errorf("it is also defined%s, and neither is applied; give one of them another name", where)})
	}
	wrong := conflicts(out.mutators)
	out.mutators = slices.DeleteFunc(out.mutators, func(m *Mutator) bool {
		if wrong[m] != nil {
			errs = append(errs, wrong[m])
		}
		return wrong[m] != nil
	})
	return out, errs
}

// Mutators returns those that are applied, in the order in which they are.
func (s *Set) Mutators() []*Mutator {
	if s == nil {
		return nil
	}
	return slices.Clone(s.mutators)
}

// Name is how errors name the link.
func (*Set) Name() string { return "gatekeeper" }

// Mutate applies the mutators to obj, in their order, again and again until obj is as it was before the last time. There is an error if
// one of them cannot be applied, or if as many passes as there are mutators, and one more, do not bring obj to rest; it names the mutators
// that keep each other going. obj is of no use then. Objects of Gatekeeper's own groups are left alone.
func (s *Set) Mutate(ctx context.Context, req *review.Request, obj *unstructured.Unstructured) error {
	if s == nil || own(obj.GroupVersionKind().Group) {
		return nil
	}
	o := &open{answers: s.answers}
	if o.answers == nil {
		o.answers = newAnswers(nil)
	}
	var restless []*Mutator
	for pass := range len(s.mutators) + 1 {
		var before map[string]any
		if pass > 0 { // most objects are at rest, and none is found to be by comparing it in the first pass
			before = obj.DeepCopy().Object
		}
		changed, err := s.pass(ctx, req, obj, o)
		if err != nil {
			return err
		}
		// They may overrule each other within a pass.
		if len(changed) == 0 || before != nil && reflect.DeepEqual(before, obj.Object) {
			return o.resolve(ctx, obj)
		}
		for _, m := range changed {
			if pass > 0 && !slices.Contains(restless, m) {
				restless = append(restless, m)
			}
		}
	}
	return never(restless)
}

// pass applies each mutator once, and returns those that changed obj.
func (s *Set) pass(ctx context.Context, req *review.Request, obj *unstructured.Unstructured, o *open) (changed []*Mutator, err error) {
	for _, m := range s.mutators {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		concerned, err := m.concerns(req, obj)
		if err != nil {
			return nil, err
		}
		if !concerned {
			continue
		}
		changes, err := m.change(req, obj, o)
		if err != nil {
			return nil, err
		}
		if changes {
			changed = append(changed, m)
		}
	}
	return changed, nil
}

// own reports whether a group is Gatekeeper's.
func own(group string) bool {
	return group == "gatekeeper.sh" || strings.HasSuffix(group, ".gatekeeper.sh")
}

// never is the error that some mutators keep each other going.
func never(restless []*Mutator) error {
	var names []string
	for _, m := range restless {
		names = append(names, fmt.Sprintf("%s at %s", m.id, m.location))
	}
	return fmt.Errorf("the object never comes to rest: applied again and again, these keep changing it: %s", strings.Join(names, ", "))
}
