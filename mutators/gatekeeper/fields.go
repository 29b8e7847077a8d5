package gatekeeper

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/mutators"
)

// field is one value of a document, nil if it is not given, with the way to it.
type field struct {
	at    []string
	value any
}

// fields are the members of an object.
type fields struct {
	of      field
	members map[string]any
}

// fieldError is what is wrong with a field.
type fieldError struct {
	at  []string
	err error
}

func (e *fieldError) Error() string { return dotted(e.at) + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// dotted spells the way to a field as users read it: spec.applyTo[0].kinds.
func dotted(at []string) string {
	var out strings.Builder
	for i, name := range at {
		if _, err := strconv.Atoi(name); err == nil {
			out.WriteString("[" + name + "]")
			continue
		}
		if i > 0 {
			out.WriteByte('.')
		}
		out.WriteString(name)
	}
	return out.String()
}

// wrong says what is wrong with the field.
func (f field) wrong(format string, args ...any) error {
	return &fieldError{f.at, fmt.Errorf(format, args...)}
}

func (f field) not(what string) error {
	return f.wrong("%s should stand here, not %s", what, mutators.KindOf(f.value))
}

// object reads an object that has no members but the known ones.
func (f field) object(known ...string) (fields, error) {
	members, ok := f.value.(map[string]any)
	if !ok && f.value != nil {
		return fields{}, f.not("an object")
	}
	out := fields{f, members}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			return fields{}, out.get(name).wrong("there is no such field; %s", has(known))
		}
	}
	return out, nil
}

// has lists the fields that there are.
func has(known []string) string {
	if len(known) == 1 {
		return "the only one here is " + known[0]
	}
	last := len(known) - 1
	return "those here are " + strings.Join(known[:last], ", ") + " and " + known[last]
}

func (o fields) get(name string) field {
	return field{append(slices.Clip(o.of.at), name), o.members[name]}
}

// text reads a string; it is empty if it is not given.
func (f field) text() (string, error) {
	text, ok := f.value.(string)
	if !ok && f.value != nil {
		return "", f.not("a string")
	}
	return text, nil
}

func (f field) list() ([]field, error) {
	list, ok := f.value.([]any)
	if !ok && f.value != nil {
		return nil, f.not("a list")
	}
	out := make([]field, len(list))
	for i, value := range list {
		out[i] = field{append(slices.Clip(f.at), strconv.Itoa(i)), value}
	}
	return out, nil
}

// texts reads a list of strings.
func (f field) texts() ([]string, error) {
	list, err := f.list()
	out := make([]string, len(list))
	for i, f := range list {
		text, ok := f.value.(string)
		if !ok {
			return nil, f.not("a string")
		}
		out[i] = text
	}
	return out, err
}

// given counts those of the fields that are given.
func given(all ...field) int {
	count := 0
	for _, f := range all {
		if f.value != nil {
			count++
		}
	}
	return count
}

// place is the way to the field that an error is about, nil if it is about the whole document.
func place(err error) []string {
	if wrong, ok := errors.AsType[*fieldError](err); ok {
		return wrong.at
	}
	return nil
}
