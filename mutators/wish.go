package mutators

import (
	"fmt"
	"maps"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// wish is what an edit wants at one place.
type wish struct {
	edit  review.Edit
	op    review.EditOp // the edit's own, except where an append or a remove leads to several wishes
	at    location
	value any
}

// banish is the op of a wish that changes nothing itself. A remove by Where has it for the list, so that the elements it removes
// are not put back by another edit.
const banish review.EditOp = "banish"

// failed is the error of a wish that cannot come true although it was possible by itself and contradicts no other.
func (w wish) failed(err error) error {
	return fmt.Errorf("policy %q: the edit to %s: %w", w.edit.Policy, w.phrase(), err)
}

// phrase is what the wish's edit wants, in words: "append to spec.tolerations".
func (w wish) phrase() string {
	if w.edit.Op == review.EditAppend {
		return "append to " + spell(w.edit.Path)
	}
	return string(w.edit.Op) + " " + spell(w.edit.Path)
}

// resolve returns the wishes of w's edit, one a place.
func (w wish) resolve(obj map[string]any) ([]wish, error) {
	if err := valid(w.edit); err != nil {
		return nil, err
	}
	var err error
	depth := len(w.edit.Path)
	if w.op == review.EditAppend {
		depth++
	}
	if w.value, err = cloned(w.edit.Value, depth); err != nil {
		return nil, err
	}
	places, err := find(obj, w.edit.Path)
	if err == nil && len(places) == 0 && w.op != review.EditRemove {
		err = missing(obj, w.edit.Path)
	}
	if err != nil {
		return nil, err
	}
	var out []wish
	for _, at := range places {
		w.at = at
		if w.op == review.EditAppend {
			appends, err := w.elements(lookup(obj, at))
			if err != nil {
				return nil, err
			}
			out = append(out, appends...)
			continue
		}
		out = append(out, w)
	}
	if last := len(w.edit.Path) - 1; w.op == review.EditRemove && w.edit.Path[last].Where != nil {
		lists, err := find(obj, w.edit.Path[:last])
		if err != nil {
			return nil, err
		}
		for _, at := range lists {
			w.op, w.at = banish, at
			out = append(out, w)
		}
	}
	return out, nil
}

// elements adds to an append to list a set of each element it replaces, or that is its equal already: what it wants of the list
// concerns other appends, what it wants of those elements concerns who edits them.
func (w wish) elements(list any) ([]wish, error) {
	elements, ok := list.([]any)
	if !ok && list != nil {
		return nil, fmt.Errorf("%s is %s, not a list", w.at, KindOf(list))
	}
	out := []wish{w}
	for i, element := range elements {
		if w.matches(element) {
			set := w
			set.op, set.at = review.EditSet, append(slices.Clip(w.at), step{element: true, index: i})
			set.value = completed(element, w.value)
			out = append(out, set)
		}
	}
	return out, nil
}

// matches reports whether element is the one that an append replaces.
func (w wish) matches(element any) bool {
	if w.edit.Key == "" {
		return equal(element, w.value)
	}
	members, ok := element.(map[string]any)
	return ok && members[w.edit.Key] != nil && equal(members[w.edit.Key], member(w.value, w.edit.Key))
}

// completed returns have with all that want says, and with what it has beside: when the API server asks again, the element that was
// appended the first time has been given defaults since, and other webhooks have added to it what must not be lost.
func completed(have, want any) any {
	switch want := want.(type) {
	case map[string]any:
		members, ok := have.(map[string]any)
		if !ok {
			return want
		}
		out := maps.Clone(members)
		for name, value := range want {
			out[name] = completed(members[name], value)
		}
		return out
	case []any:
		elements, ok := have.([]any)
		contained := func(value any) bool {
			return slices.ContainsFunc(elements, func(e any) bool { return equal(completed(e, value), e) })
		}
		if ok && !slices.ContainsFunc(want, func(value any) bool { return !contained(value) }) {
			return have
		}
	}
	return want
}

func member(v any, name string) any {
	members, _ := v.(map[string]any)
	return members[name]
}

// grant makes the wish come true in obj.
func (w wish) grant(obj map[string]any) error {
	there := lookup(obj, w.at)
	if w.op == review.EditDefault && there != nil {
		return nil
	}
	value, err := clone(w.value) // an edit in several places must not leave one value in all of them
	if err != nil {
		return err
	}
	if w.op == review.EditAppend {
		list, ok := there.([]any)
		if !ok && there != nil {
			return fmt.Errorf("%s is %s, not a list", w.at, KindOf(there))
		}
		// Its element may be there: before all edits, or since a default made the list.
		if i := slices.IndexFunc(list, w.matches); i >= 0 {
			list[i] = completed(list[i], value)
			return nil
		}
		value = append(list, value)
	}
	_, err = put(obj, w.at, value)
	return err
}
