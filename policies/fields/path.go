package fields

import (
	"fmt"
	"strings"
)

// Path returns an error if a path of members, "spec", "containers", "image", leads nowhere in the objects of the resources. Through a list it leads on
// in its elements. Of resources of which nothing is known every path may lead somewhere.
func Path(resources []Resource, path ...string) error {
	at := Objects(resources)
	for _, name := range path {
		at = at.elements()
		next, ok := at.Field(name)
		if !ok {
			return fmt.Errorf("%s: %s", strings.Join(path, "."), never(at, name))
		}
		at = next
	}
	return nil
}

// elements is the type with the elements of lists in their place.
func (t Type) elements() Type {
	each := make([]Type, len(t.may))
	for i, s := range t.may {
		each[i] = typeOf(s)
		if v, ok := s.(value); ok && isList(v.of) {
			each[i], _ = v.each()
		}
	}
	return union(each...)
}
