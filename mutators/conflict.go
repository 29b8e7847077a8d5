package mutators

import (
	"context"
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// relation is how a wish gets on with another one at the same place or above it.
type relation uint8

const (
	clash  relation = iota // they cannot both come true
	keep                   // they do not concern each other
	absorb                 // once the other has come true there is nothing left to do
)

// reconcile drops the wishes that others fulfil or forestall, and finds those that contradict each other. wishes is sorted as
// plan does it, so all that could concern a wish are directly before it: those at the places it lies in.
func reconcile(ctx context.Context, obj map[string]any, wishes []wish) ([]wish, []review.Finding, error) {
	var kept, above []wish
	var findings []review.Finding
	said := map[string]bool{}
	for _, w := range wishes {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		for len(above) > 0 && !above[len(above)-1].at.covers(w.at) {
			above = above[:len(above)-1]
		}
		fate := keep
		for _, a := range above {
			if fate = a.meets(w, obj); fate == clash {
				// One pair of edits may clash in each of a hundred containers.
				if f := contradiction(a, w); !said[f.Message] {
					said[f.Message] = true
					findings = append(findings, f)
				}
			}
			if fate != keep {
				break
			}
		}
		if fate == keep {
			above, kept = append(above, w), append(kept, w)
		}
	}
	return kept, findings, nil
}

// meets says what becomes of w in the presence of a, which is at w's place or above it, and ranks before w at the same place.
func (a wish) meets(w wish, obj map[string]any) relation {
	here := len(a.at) == len(w.at)
	switch a.op {
	case review.EditSet:
		if w.op == review.EditDefault && w.possible(a.value, len(a.at)) || w.heldBy(a.value, len(a.at)) {
			return absorb
		}
		return clash
	case review.EditRemove:
		// Who edits an element edits it if it is there; who edits a member wants it to be there.
		if w.op == review.EditRemove || w.op == banish || !here && throughElement(w.rest(len(a.at)-1)) {
			return absorb
		}
		return clash
	case review.EditDefault:
		if lookup(obj, a.at) != nil {
			return keep // something stands there already; a has no say
		}
		return a.metBelow(w, here)
	case review.EditAppend:
		return a.metInList(w, here)
	}
	return keep
}

// metBelow is meets for a default that will be put at its place.
func (a wish) metBelow(w wish, here bool) relation {
	switch {
	case w.op == review.EditRemove || w.op == banish || here && w.op == review.EditDefault:
		if w.heldBy(a.value, len(a.at)) {
			return keep
		}
		return clash
	case w.op == review.EditAppend || w.op == review.EditDefault:
		there, err := only(a.value, w.rest(len(a.at)))
		_, list := there.([]any)
		if err != nil || there != nil && (w.op == review.EditAppend && !list || w.op == review.EditDefault && !equal(there, w.value)) {
			return clash
		}
		return keep
	}
	if !w.possible(a.value, len(a.at)) {
		return clash
	}
	return keep
}

// only returns what stands in root at a path of names, nil for nothing.
func only(root any, path []review.Segment) (any, error) {
	places, err := find(root, path)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	return lookup(root, places[0]), nil
}

// metInList is meets for an append to a list.
func (a wish) metInList(w wish, here bool) relation {
	switch {
	case !here && !w.at[len(a.at)].element:
		return clash // a will make a list where w needs an object
	case !here:
		return keep
	case w.op == banish && answers(a.value, w.edit.Path[len(w.edit.Path)-1].Where):
		return clash
	case w.op == review.EditAppend && equal(a.value, w.value):
		return keep // granting the second one changes nothing
	case w.op == review.EditAppend && (a.edit.Key != "" && a.matches(w.value) || w.edit.Key != "" && w.matches(a.value)):
		return clash
	}
	return keep
}

// possible reports whether w's path would run through nothing of the wrong type if v stood at its first n steps.
func (w wish) possible(v any, n int) bool {
	_, err := find(v, w.rest(n))
	return err == nil
}

// rest is w's path without its first n steps. An append's path ends at the list although a wish of it may be for an element.
func (w wish) rest(n int) []review.Segment { return w.edit.Path[min(n, len(w.edit.Path)):] }

// heldBy reports whether w would change nothing if v stood at the first n steps of its path.
func (w wish) heldBy(v any, n int) bool {
	if n == len(w.at) && (w.op == review.EditSet || w.op == review.EditDefault) {
		return equal(v, w.value)
	}
	places, err := find(v, w.rest(n))
	if err != nil {
		return false
	}
	for _, at := range places {
		there := lookup(v, at)
		switch w.edit.Op {
		case review.EditRemove:
			if there != nil {
				return false
			}
		case review.EditAppend:
			if !w.holds(there) {
				return false
			}
		default:
			if !equal(there, w.value) {
				return false
			}
		}
	}
	return true
}

// holds reports whether list has what w appends, and nothing w would replace.
func (w wish) holds(list any) bool {
	elements, _ := list.([]any)
	found := false
	for _, element := range elements {
		if w.matches(element) {
			if found = equal(element, w.value); !found {
				return false
			}
		}
	}
	return found
}

func throughElement(path []review.Segment) bool {
	return slices.ContainsFunc(path, func(s review.Segment) bool { return s.ByIndex || s.Where != nil })
}

// contradiction is the finding that refuses a request because of two wishes. Values are not in it: they may be secret.
func contradiction(a, b wish) review.Finding {
	who, one, other := fmt.Sprintf("the policies %q and %q contradict each other", a.edit.Policy, b.edit.Policy), "one", "the other"
	if a.edit.Policy == b.edit.Policy {
		who, one, other = fmt.Sprintf("the policy %q contradicts itself", a.edit.Policy), "one edit", "another"
	}
	what := fmt.Sprintf("%s wants to %s, %s to %s", one, a.phrase(), other, b.phrase())
	if a.phrase() == b.phrase() {
		what = fmt.Sprintf("both want to %s, with different values", a.phrase())
	}
	return review.Finding{
		Policy:  a.edit.Policy,
		Effect:  review.EffectDeny,
		Message: review.Sentence(who+": "+what, review.MaxMessage),
		Field:   b.at.String(),
	}
}
