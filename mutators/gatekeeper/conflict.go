package gatekeeper

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// shape is what a mutator takes to stand at a place. Different ones contradict each other, except anything.
type shape string

const (
	anything shape = ""
	anObject shape = "an object"
	aSet     shape = "a list of values"
	aString  shape = "a string"
)

// listBy is the shape of a list whose elements are found by a key.
func listBy(key string) shape { return shape("a list with the key " + quote(key)) }

// spot is a place in objects of one kind, at one operation.
type spot struct {
	kind      schema.GroupVersionKind
	operation string
	at        string
}

// claim is what a mutator takes to stand at a place.
type claim struct {
	by *Mutator
	at string
	is shape
}

// claims returns what the mutator takes to stand at the places on its way, the first of them first.
func (m *Mutator) claims() []claim {
	var out []claim
	var at path
	for i, n := range m.location {
		if n.list {
			at = append(at, node{name: n.name, list: true, every: true}) // which element it is does not matter
			continue
		}
		at = append(at, n)
		is := m.ends
		if i+1 < len(m.location) {
			if is = anObject; m.location[i+1].list {
				is = listBy(m.location[i+1].name)
			}
		}
		if is != anything {
			out = append(out, claim{m, at.String(), is})
		}
	}
	return out
}

// conflicts returns an error for each mutator that takes some place for something else than another one that applies to the same kind of
// objects: an object and a list, say, or lists with different keys. AssignMetadata is in none.
func conflicts(list []*Mutator) map[*Mutator]error {
	all := map[spot][]claim{}
	for _, m := range list {
		claims := m.claims()
		for _, b := range m.bindings() {
			for _, c := range claims {
				b.at = c.at
				all[b] = append(all[b], c)
			}
		}
	}
	out := map[*Mutator]error{}
	spots := slices.SortedFunc(maps.Keys(all), func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind.String(), b.kind.String()), cmp.Compare(a.operation, b.operation))
	})
	for _, s := range spots {
		for _, a := range all[s] {
			other := slices.IndexFunc(all[s], func(b claim) bool { return b.is != a.is })
			if other < 0 {
				break // they all agree
			}
			if out[a.by] == nil {
				out[a.by] = a.against(all[s][other])
			}
		}
	}
	return out
}

// bindings returns the kinds of objects and the operations that the mutator applies to, once each. Where no operation is named, those that
// change objects count.
func (m *Mutator) bindings() []spot {
	seen := map[spot]bool{}
	for _, t := range m.applyTo {
		operations := t.operations
		if len(operations) == 0 {
			operations = []string{"CREATE", "UPDATE"}
		}
		for _, kind := range t.kinds() {
			for _, operation := range operations {
				seen[spot{kind: kind, operation: operation}] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}

func (a claim) against(b claim) error {
	other := b.by.id.String()
	if b.by.at != "" {
		other += " (" + b.by.at + ")"
	}
	err := fmt.Errorf("spec.location: to %s, %s is %s, to this one it is %s; neither is applied until they agree", other, a.at, b.is, a.is)
	return &Error{ID: a.by.id, At: a.by.at, Err: err}
}
