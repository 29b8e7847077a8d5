package mutators

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// operation is one step of an RFC 6902 patch. There is never a test among them: the API server answers 500 when one fails.
type operation struct {
	Op    string          `json:"op"` // add, replace or remove
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"` // null is a value, nil is none
}

// encode writes the operations as a patch, nil if there are none.
func encode(operations []operation) ([]byte, error) {
	if len(operations) == 0 {
		return nil, nil
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("the patch cannot be encoded: %w", err)
	}
	return patch, nil
}

// diff returns the operations that make after of before, both decoded JSON: always the same ones for the same values, few for
// the edits mutators make, but not the fewest there could be.
func diff(before, after map[string]any) ([]operation, error) {
	var d differ
	err := d.members("", before, after)
	return d.operations, err
}

type differ struct{ operations []operation }

func (d *differ) emit(op, path string, value any) error {
	o := operation{Op: op, Path: path}
	if op != "remove" {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("the value for %s cannot be encoded: %w", path, err)
		}
		o.Value = text
	}
	d.operations = append(d.operations, o)
	return nil
}

func (d *differ) value(path string, before, after any) error {
	switch after := after.(type) {
	case map[string]any:
		if before, ok := before.(map[string]any); ok {
			return d.members(path, before, after)
		}
	case []any:
		if before, ok := before.([]any); ok {
			return d.elements(path, before, after)
		}
	}
	if equal(before, after) {
		return nil
	}
	return d.emit("replace", path, after)
}

// escape spells a name in a JSON pointer, RFC 6901.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

func (d *differ) members(path string, before, after map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		at := path + "/" + escape(name)
		member, kept := after[name]
		var err error
		if kept {
			err = d.value(at, before[name], member)
		} else {
			err = d.emit("remove", at, nil)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, had := before[name]; !had {
			if err := d.emit("add", path+"/"+escape(name), after[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// elements leaves alone what before and after have in common at both ends. In between it pairs elements by position, then takes
// away what before has too many of, the last first, or adds what it has too few of.
func (d *differ) elements(path string, before, after []any) error {
	at := func(i int) string { return path + "/" + strconv.Itoa(i) }
	start := 0
	for start < len(before) && start < len(after) && equal(before[start], after[start]) {
		start++
	}
	endB, endA := len(before), len(after)
	for endB > start && endA > start && equal(before[endB-1], after[endA-1]) {
		endB, endA = endB-1, endA-1
	}
	paired := min(endB, endA)
	for i := start; i < paired; i++ {
		if err := d.value(at(i), before[i], after[i]); err != nil {
			return err
		}
	}
	for i := endB - 1; i >= paired; i-- {
		if err := d.emit("remove", at(i), nil); err != nil {
			return err
		}
	}
	for i := paired; i < endA; i++ {
		if err := d.emit("add", at(i), after[i]); err != nil {
			return err
		}
	}
	return nil
}
