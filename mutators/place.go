package mutators

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// step leads from a value into one of its parts: a member by name, or an element of a list by position.
type step struct {
	name    string
	element bool
	index   int
}

// location is the way from an object to one place in it, whether or not anything stands there.
type location []step

// order sorts by name and by position, a place directly before the places in it. No value has both members and elements.
func order(a, b location) int {
	return slices.CompareFunc(a, b, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.name, b.name))
	})
}

// covers reports whether inner is at or in the place outer.
func (outer location) covers(inner location) bool {
	return len(outer) <= len(inner) && slices.Equal(outer, inner[:len(outer)])
}

// String is the location as users read it: spec.containers[0].env, metadata.labels["example.com/team"].
func (l location) String() string {
	segments := make([]review.Segment, len(l))
	for i, s := range l {
		segments[i] = review.Segment{Name: s.name, ByIndex: s.element, Index: s.index}
	}
	return spell(segments)
}

// lookup returns what stands at a place in root, nil for nothing.
func lookup(root any, at location) any {
	for _, s := range at {
		switch node := root.(type) {
		case map[string]any:
			root = node[s.name]
		case []any:
			if !s.element || s.index >= len(node) {
				return nil
			}
			root = node[s.index]
		default:
			return nil
		}
	}
	return root
}

// put places value at a place in node and returns what node has become. Objects missing on the way are created; nothing else
// on the way is ever replaced.
func put(node any, at location, value any) (any, error) {
	if len(at) == 0 {
		return value, nil
	}
	if s := at[0]; s.element {
		list, ok := node.([]any)
		if !ok || s.index >= len(list) {
			return nil, fmt.Errorf("a list with an element %d should stand here, not %s", s.index, KindOf(node))
		}
		element, err := put(list[s.index], at[1:], value)
		if err != nil {
			return nil, err
		}
		list[s.index] = element
		return list, nil
	}
	members, ok := node.(map[string]any)
	if !ok && node != nil {
		return nil, fmt.Errorf("an object with the member %q should stand here, not %s", at[0].name, KindOf(node))
	}
	if members == nil {
		members = map[string]any{}
	}
	member, err := put(members[at[0].name], at[1:], value)
	if err != nil {
		return nil, err
	}
	members[at[0].name] = member
	return members, nil
}

// take removes what stands at a place in root, if anything does. Removing an element moves those after it, so of several places
// the last must be taken first.
func take(root any, at location) error {
	if lookup(root, at) == nil {
		return nil
	}
	parent, last := at[:len(at)-1], at[len(at)-1]
	switch node := lookup(root, parent).(type) {
	case map[string]any:
		delete(node, last.name)
	case []any:
		_, err := put(root, parent, slices.Delete(node, last.index, last.index+1))
		return err
	}
	return nil
}
