package expansion

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
)

// cycles returns a fault for each template by whose objects, at some remove, it would be applied again.
func cycles(templates []*template) (faults policies.Faults) {
	for _, t := range templates {
		if back := t.back(templates); back != nil {
			names := make([]string, len(back))
			for i, next := range back {
				names[i] = next.name
			}
			faults = append(faults, *t.document.Fault(fmt.Errorf(
				"what it makes would be expanded for ever: %s; take one of applyTo out", strings.Join(names, " -> ")), "spec", "applyTo"))
		}
	}
	return faults
}

// back is a way from the template to itself, both ends included, over templates that each apply to what the one before makes; nil if there
// is none.
func (t *template) back(templates []*template) []*template {
	from := map[*template]*template{}
	queue := []*template{t}
	for len(queue) > 0 {
		here := queue[0]
		queue = queue[1:]
		for _, next := range templates {
			if from[next] != nil || !slices.Contains(next.applyTo, here.makes) {
				continue
			}
			from[next] = here
			queue = append(queue, next)
		}
	}
	if from[t] == nil {
		return nil
	}
	way := []*template{t}
	for at := from[t]; at != t; at = from[at] {
		way = append(way, at)
	}
	way = append(way, t)
	slices.Reverse(way)
	return way
}
