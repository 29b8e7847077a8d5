package gatekeeper

import (
	"errors"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/mutators"
)

// modified is the setter of ModifySet: it keeps a list that is a set. Merging appends those of the values that are not in it, in their
// order; pruning takes them all out, and makes nothing where there is nothing.
type modified struct {
	values []any
	prune  bool
	bytes  int
}

func (s modified) set(was any, _ about) (any, bool, error) {
	list, ok := was.([]any)
	if !ok && was != nil {
		return nil, false, errors.New("is " + mutators.KindOf(was) + ", not a list")
	}
	if s.prune {
		kept := slices.DeleteFunc(slices.Clone(list), func(v any) bool { return contains(s.values, v) })
		return kept, len(kept) != len(list), nil
	}
	now := slices.Clip(list)
	for _, v := range s.values {
		if !contains(list, v) && (was == nil || !contains(now, v)) {
			now = append(now, runtime.DeepCopyJSONValue(v))
		}
	}
	return now, len(now) != len(list), nil
}

func (s modified) weight() int { return s.bytes }

func contains(list []any, value any) bool {
	return slices.ContainsFunc(list, func(v any) bool { return reflect.DeepEqual(v, value) })
}

func (m *Mutator) readModifySet(f field) error {
	if err := m.outside(); err != nil {
		return err
	}
	if err := m.member(); err != nil {
		return err
	}
	parameters, err := f.object("operation", "pathTests", "values")
	if err != nil {
		return err
	}
	operation, err := parameters.get("operation").text()
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", "merge", "prune"}, operation) {
		return parameters.get("operation").wrong("%q is no operation; there are merge, which is the default, and prune", operation)
	}
	values, err := parameters.get("values").object("fromList")
	if err != nil {
		return err
	}
	list := values.get("fromList")
	s := modified{prune: operation == "prune"}
	if _, err := list.list(); err != nil {
		return err
	}
	if s.values, _ = list.value.([]any); !s.prune {
		if s.bytes, err = weigh(list); err != nil {
			return err
		}
	}
	m.setter, m.ends = s, aSet
	m.tests, err = readTests(parameters.get("pathTests"), m.location)
	return err
}
