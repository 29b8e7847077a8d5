package mutators

import (
	"fmt"
	"maps"
	"slices"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// prove applies patch to the object as it was received, with the calls that the API server's mutating dispatcher makes, and
// returns an error unless the result is the object that was wanted. Whatever goes wrong here would have been a 500 to the user, even
// under failurePolicy Ignore.
func prove(received, patch []byte, wanted map[string]any) error {
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return fmt.Errorf("the patch cannot be decoded: %w", err)
	}
	text, err := decoded.Apply(received)
	if err != nil {
		return fmt.Errorf("the patch does not apply: %w", err)
	}
	result, err := decode(text)
	if err != nil {
		return fmt.Errorf("the patch spoils the object: %w", err)
	}
	if at, differs := difference(wanted, result); differs {
		return fmt.Errorf("the patch makes something else of %s than was wanted", at)
	}
	return nil
}

// difference returns the first place, in the order of names and positions, at which two values differ. It shares equal with
// diff but nothing else, so that a fault of diff does not hide itself.
func difference(a, b any) (location, bool) {
	if equal(a, b) {
		return nil, false
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			break
		}
		names := slices.Collect(maps.Keys(a))
		names = slices.AppendSeq(names, maps.Keys(b))
		slices.Sort(names)
		for _, name := range names {
			x, inA := a[name]
			y, inB := b[name]
			if below, differs := difference(x, y); differs || inA != inB {
				return append(location{{name: name}}, below...), true
			}
		}
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			break
		}
		for i := range a {
			if below, differs := difference(a[i], b[i]); differs {
				return append(location{{element: true, index: i}}, below...), true
			}
		}
	}
	return nil, true
}
