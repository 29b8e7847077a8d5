package gatekeeper

import (
	"fmt"

	"github.com/portcullis-dev/portcullis/mutators"
)

// maxWritten bounds what one mutator writes into one object, in bytes of JSON. The API server reads requests of at most 3 MiB, so that an
// object that has been given more could not be stored. A location with asterisks may lead to as many places as the lengths of the lists
// on its way multiply to.
const maxWritten = 8 << 20

var errWritten = fmt.Errorf("it would write more than %d MiB into the object, which could not be stored then", maxWritten>>20)

// setter is what a mutator does at each place that its location leads to.
type setter interface {
	// set returns what is to stand where was stands, nil for nothing, and whether that is anything else. It does not change was, which may
	// be part of what it returns. about is the object as it is.
	set(was any, about about) (now any, changes bool, err error)
	// weight is how many bytes of JSON it writes at most where something changes, beside what stood there.
	weight() int
}

// about is what the object is called, who sent it, and what is still to be asked of it for a mutator.
type about struct {
	name, namespace, user string

	mutator *Mutator
	open    *open
}

// walk is the way of one mutator through one object.
type walk struct {
	path    path
	tests   tests
	setter  setter
	about   about
	written int
}

// into goes on from here, which is what stands before step i, and returns what it has become. Nothing changes but what the setter
// changes, and what has to be made to hold that.
func (w *walk) into(here any, i int) (any, bool, error) {
	if i == len(w.path) {
		return w.set(here)
	}
	n := w.path[i]
	if n.list {
		return w.elements(here, i)
	}
	members, ok := here.(map[string]any)
	if !ok && here != nil {
		return nil, false, fmt.Errorf("%s is %s, not an object", w.path[:i], mutators.KindOf(here))
	}
	there := members[n.name]
	if !w.tests.allow(i, there != nil) {
		return here, false, nil
	}
	there, changed, err := w.into(there, i+1)
	if err != nil || !changed {
		return here, false, err
	}
	if members == nil {
		members = map[string]any{}
	}
	members[n.name] = there
	return members, true, nil
}

func (w *walk) set(was any) (any, bool, error) {
	now, changes, err := w.setter.set(was, w.about)
	if err != nil {
		return nil, false, fmt.Errorf("%s %w", w.path, err)
	}
	if changes {
		if w.written += w.setter.weight(); w.written > maxWritten {
			return nil, false, errWritten
		}
	}
	return now, changes, nil
}

// elements is into for a step into a list.
func (w *walk) elements(here any, i int) (any, bool, error) {
	list, ok := here.([]any)
	if !ok && here != nil {
		return nil, false, fmt.Errorf("%s is %s, not a list", w.path[:i], mutators.KindOf(here))
	}
	if w.path[i].every {
		return w.every(list, i)
	}
	n, last := w.path[i], i == len(w.path)-1
	found, changed := false, false
	for j, element := range list {
		members, ok := element.(map[string]any)
		if !ok && last {
			return nil, false, fmt.Errorf("an element of %s is %s, not an object", w.path[:i], mutators.KindOf(element))
		}
		if !ok || members[n.name] != n.key {
			continue
		}
		if !w.tests.allow(i, true) {
			return here, false, nil
		}
		next, changes, err := w.into(element, i+1)
		if err != nil {
			return nil, false, err
		}
		if changes {
			list[j] = next
		}
		found, changed = true, changed || changes
		if last { // a second element of the key is left alone
			break
		}
	}
	if found || !w.tests.allow(i, false) {
		return here, changed, nil
	}
	var fresh any
	if !last {
		fresh = map[string]any{n.name: n.key}
	}
	fresh, changed, err := w.into(fresh, i+1)
	if err != nil || !changed {
		return here, false, err
	}
	return append(list, fresh), true, nil
}

// every is into for a step into each element of a list, of which there is none to be made.
func (w *walk) every(list []any, i int) (any, bool, error) {
	if !w.tests.allow(i, true) {
		return list, false, nil
	}
	changed := false
	for j, element := range list {
		if _, ok := element.(map[string]any); !ok {
			return nil, false, fmt.Errorf("an element of %s is %s, not an object", w.path[:i], mutators.KindOf(element))
		}
		next, changes, err := w.into(element, i+1)
		if err != nil {
			return nil, false, err
		}
		if changes {
			list[j], changed = next, true
		}
	}
	return list, changed, nil
}
