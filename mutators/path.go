package mutators

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// maxSpelled bounds a spelt path in bytes: names in it may come from the object, and those have no bound.
const maxSpelled = 256

// spell writes a path as users read it: spec.containers[name="app"].env.
func spell(path []review.Segment) string {
	var out strings.Builder
	for i, s := range path {
		switch {
		case s.ByIndex:
			fmt.Fprintf(&out, "[%d]", s.Index)
		case s.Where != nil:
			out.WriteByte('[')
			for j, name := range slices.Sorted(maps.Keys(s.Where)) {
				if j > 0 {
					out.WriteByte(',')
				}
				out.WriteString(name + "=" + strconv.Quote(s.Where[name]))
			}
			out.WriteByte(']')
		case !plain(s.Name):
			out.WriteString("[" + strconv.Quote(s.Name) + "]")
		case i > 0:
			out.WriteString("." + s.Name)
		default:
			out.WriteString(s.Name)
		}
	}
	if out.Len() == 0 {
		return "the object"
	}
	return review.Sentence(out.String(), maxSpelled)
}

func plain(name string) bool {
	for _, c := range name {
		if (c < 'a' || 'z' < c) && (c < 'A' || 'Z' < c) && (c < '0' || '9' < c) && c != '-' && c != '_' {
			return false
		}
	}
	return name != ""
}

// find returns the places in root to which path leads: one for a path of names, whether or not anything stands there; one for
// each element that a Where describes; none where an element is not there, which missing explains. It is an error for path to run through a value of
// the wrong type.
func find(root any, path []review.Segment) ([]location, error) {
	return search(root, make(location, 0, len(path)+1), path, nil)
}

func search(node any, at location, path []review.Segment, found []location) ([]location, error) {
	if len(path) == 0 {
		return append(found, slices.Clone(at)), nil
	}
	segment := path[0]
	if !segment.ByIndex && segment.Where == nil {
		members, ok := node.(map[string]any)
		if !ok && node != nil {
			return nil, fmt.Errorf("%s is %s, not an object", at, KindOf(node))
		}
		return search(members[segment.Name], append(at, step{name: segment.Name}), path[1:], found)
	}
	list, ok := node.([]any)
	if !ok && node != nil {
		return nil, fmt.Errorf("%s is %s, not a list", at, KindOf(node))
	}
	if segment.ByIndex {
		if segment.Index < 0 || segment.Index >= len(list) {
			return found, nil
		}
		return search(list[segment.Index], append(at, step{element: true, index: segment.Index}), path[1:], found)
	}
	var err error
	for i, element := range list {
		if answers(element, segment.Where) {
			if found, err = search(element, append(at, step{element: true, index: i}), path[1:], found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// missing is why find finds no place in root for path: the first element on the way that is not there.
func missing(root any, path []review.Segment) error {
	n := 1
	for n < len(path) {
		if places, err := find(root, path[:n]); err != nil || len(places) == 0 {
			break
		}
		n++
	}
	return fmt.Errorf("there is no %s; what adds an element is append", spell(path[:n]))
}

// answers reports whether element has all members that where describes.
func answers(element any, where map[string]string) bool {
	members, ok := element.(map[string]any)
	if !ok {
		return false
	}
	for name, text := range where {
		if members[name] != any(text) {
			return false
		}
	}
	return true
}
