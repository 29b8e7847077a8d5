package gatekeeper

import (
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
)

// assigned is the setter of Assign: it puts a value at a place, whatever stands there. Where the location ends at an element of a list, the
// value is an object with the element's key and replaces the whole element, or is appended if there is none.
type assigned struct {
	value value
}

// value is what parameters.assign says.
type value struct {
	constant any
	from     string    // name or namespace, of the object itself; empty where the value is constant
	external *external // nil unless a Provider has to say it
	bytes    int
}

// of returns the value for an object. What is nested in it is shared.
func (v value) of(a about) any {
	switch v.from {
	case "name":
		return a.name
	case "namespace":
		return a.namespace
	}
	return v.constant
}

func (s assigned) set(was any, a about) (any, bool, error) {
	if s.value.external != nil {
		return s.value.external.set(was, a)
	}
	value := s.value.of(a)
	if reflect.DeepEqual(was, value) {
		return was, false, nil
	}
	return runtime.DeepCopyJSONValue(value), true, nil
}

func (s assigned) weight() int { return s.value.bytes }

// maxName is how long an object's name is at most.
const maxName = 253

// readValue reads parameters.assign.
func readValue(f field) (value, error) {
	members, err := f.object("externalData", "fromMetadata", "value")
	if err != nil {
		return value{}, err
	}
	constant, from, external := members.get("value"), members.get("fromMetadata"), members.get("externalData")
	if given(constant, from, external) != 1 {
		return value{}, f.wrong("give one of value, fromMetadata and externalData")
	}
	if external.value != nil {
		read, err := readExternal(external)
		return value{external: read}, err
	}
	if from.value == nil {
		bytes, err := weigh(constant)
		return value{constant: constant.value, bytes: bytes}, err
	}
	source, err := from.object("field")
	if err != nil {
		return value{}, err
	}
	name, err := source.get("field").text()
	if err != nil {
		return value{}, err
	}
	if name != "name" && name != "namespace" {
		return value{}, source.get("field").wrong("%q cannot be assigned; there are name and namespace", name)
	}
	return value{from: name, bytes: maxName}, nil
}

func (m *Mutator) readAssign(f field) error {
	if err := m.outside(); err != nil {
		return err
	}
	parameters, err := f.object("assign", "pathTests")
	if err != nil {
		return err
	}
	assign := parameters.get("assign")
	value, err := readValue(assign)
	if err != nil {
		return err
	}
	if last := m.location.last(); last.list {
		f := field{append(assign.at, "value"), value.constant}
		object, _ := value.constant.(map[string]any)
		switch {
		case last.every:
			return locationField().wrong("it ends with all elements of a list; name the one that is to be set")
		case value.from != "" || value.external != nil:
			return assign.wrong("a text cannot be an element of the list at %s, whose elements are objects", m.location[:len(m.location)-1])
		case object == nil:
			return f.not("an object, which an element with a key is,")
		case object[last.name] != last.key:
			return f.wrong("its %s must be that of %s", quote(last.name), m.location)
		}
	}
	m.setter, m.ends = assigned{value}, anything
	m.tests, err = readTests(parameters.get("pathTests"), m.location)
	return err
}
