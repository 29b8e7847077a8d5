package mutators

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// maxDepth bounds the nesting of what a mutator may make. It is that of the reader of reviews: what nests deeper could not be
// asked about again.
const maxDepth = 512

var errDepth = fmt.Errorf("it nests deeper than %d levels", maxDepth)

// decode reads an object as the API server reads unstructured content: names are case-sensitive, a number is an int64 if it is
// spelt as one and fits, else a float64.
func decode(text []byte) (map[string]any, error) {
	var out map[string]any
	if err := utiljson.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("the object cannot be decoded: %w", err)
	}
	if out == nil {
		return nil, errors.New("the object is null")
	}
	return out, nil
}

// clone copies decoded JSON and makes its numbers what decode would have made them. It shares nothing with v.
func clone(v any) (any, error) { return cloned(v, 0) }

func cloned(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			c, err := cloned(member, depth+1)
			if err != nil {
				return nil, err
			}
			out[name] = c
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			c, err := cloned(element, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, errors.New("a number is out of range")
		}
		return f, nil
	}
	return v, scalar(v)
}

// scalar returns an error unless v is a scalar of decoded JSON.
func scalar(v any) error {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("a number is not finite")
		}
		return nil
	}
	return fmt.Errorf("a Go %T is not decoded JSON", v)
}

// check returns an error unless v is decoded JSON through and through: a mutator written in Go can put anything into its object.
func check(v any, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return errors.New("a nil map is not decoded JSON")
		}
		for _, member := range v {
			if err := check(member, depth+1); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if v == nil {
			return errors.New("a nil slice is not decoded JSON")
		}
		for _, element := range v {
			if err := check(element, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return scalar(v)
}

// equal compares decoded JSON. Numbers are equal if they are once they have been written and read again: 1.0 is written as 1
// and read back as an int64.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, member := range a {
			other, ok := b[name]
			if !ok || !equal(member, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case int64:
		if f, ok := b.(float64); ok {
			return same(a, f)
		}
	case float64:
		if i, ok := b.(int64); ok {
			return same(i, a)
		}
	}
	return a == b
}

// same reports whether f, written as JSON, is read as i. That is not quite whether they are the same number: the shortest spelling
// of a float64 above 2⁵³ may be that of an integer near it.
func same(i int64, f float64) bool {
	if math.Trunc(f) != f || math.Abs(f) > math.MaxInt64 {
		return false
	}
	read, err := strconv.ParseInt(strconv.FormatFloat(f, 'f', -1, 64), 10, 64)
	return err == nil && read == i
}

// KindOf says in words what a decoded value is: "an object", "a list", "nothing" for nil. It is for the messages of mutators.
func KindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
