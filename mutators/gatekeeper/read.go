package gatekeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Group is the API group of mutators. Versions v1, v1beta1 and v1alpha1 mean the same.
const Group = "mutations.gatekeeper.sh"

// maxNesting bounds how deep a value in a document nests. With the longest location it stays below what package mutators lets an object
// have.
const maxNesting = 256

// Document is what a mutator is read from.
type Document struct {
	JSON []byte // one object
	// At says where a field of the document stands, in front of errors: "mutators.yaml:7" for spec, location. Without a path it is where the
	// document begins. Elements of lists are named by their position. Nil is nowhere.
	At func(path ...string) string
}

// Error is what is wrong with one mutator.
type Error struct {
	ID
	At  string // file and row; may be empty
	Err error  // begins with the field, "spec.location: ..."
}

// Error names place, kind and name, and what is wrong.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Kind, e.Name, e.Err)
	if e.Name == "" {
		text = fmt.Sprintf("%s: %v", e.Kind, e.Err)
	}
	if e.At != "" {
		text = e.At + ": " + text
	}
	return text
}

// Unwrap gives errors.Is and errors.As the error itself.
func (e *Error) Unwrap() error { return e.Err }

// Kinds are the kinds of mutators that Read reads.
func Kinds() []string { return []string{"Assign", "AssignImage", "AssignMetadata", "ModifySet"} }

// Read makes a mutator of its document. It refuses whatever Gatekeeper's API or Gatekeeper itself refuses, and what could never be applied;
// the error is an *Error with one sentence, about the first thing that is wrong. It is also how a document is validated.
func Read(doc Document, match Match) (*Mutator, error) {
	var root map[string]any
	if err := utiljson.Unmarshal(doc.JSON, &root); err != nil {
		return nil, doc.blame(ID{Kind: "mutator"}, fmt.Errorf("it cannot be read: %w", err))
	}
	metadata, _ := root["metadata"].(map[string]any)
	var id ID
	id.Kind, _ = root["kind"].(string)
	id.Name, _ = metadata["name"].(string)
	m, err := read(field{value: root}, id, match)
	if err != nil {
		if id.Kind == "" {
			id.Kind = "mutator"
		}
		return nil, doc.blame(id, err)
	}
	m.at = doc.where()
	return m, nil
}

func (d Document) where(path ...string) string {
	if d.At == nil {
		return ""
	}
	return d.At(path...)
}

func (d Document) blame(id ID, err error) error {
	return &Error{ID: id, At: d.where(place(err)...), Err: err}
}

func read(f field, id ID, match Match) (*Mutator, error) {
	if !slices.Contains(Kinds(), id.Kind) {
		return nil, field{at: []string{"kind"}}.wrong("%q is no mutator; there are Assign, AssignImage, AssignMetadata and ModifySet", id.Kind)
	}
	root, err := f.object("apiVersion", "kind", "metadata", "spec", "status")
	if err != nil {
		return nil, err
	}
	version, err := root.get("apiVersion").text()
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{Group + "/v1", Group + "/v1beta1", Group + "/v1alpha1"}, version) {
		return nil, root.get("apiVersion").wrong("%q is not known; the versions of %s are v1, v1beta1 and v1alpha1", version, Group)
	}
	members, _ := root.get("metadata").value.(map[string]any)
	name := fields{root.get("metadata"), members}.get("name")
	switch _, err := name.text(); {
	case err != nil:
		return nil, err
	case id.Name == "":
		return nil, name.wrong("it is missing")
	case len(id.Name) > 63:
		return nil, name.wrong("it has %d characters, and may have 63", len(id.Name))
	}
	known := []string{"applyTo", "location", "match", "parameters"}
	if id.Kind == "AssignMetadata" {
		known = known[1:]
	}
	spec, err := root.get("spec").object(known...)
	if err != nil {
		return nil, err
	}
	return spec.mutator(id, match)
}

// mutator reads the spec of a mutator.
func (spec fields) mutator(id ID, match Match) (*Mutator, error) {
	m := &Mutator{id: id}
	var err error
	if m.location, err = spec.location(); err != nil {
		return nil, err
	}
	parameters := spec.get("parameters")
	switch id.Kind {
	case "Assign":
		err = m.readAssign(parameters)
	case "AssignImage":
		err = m.readAssignImage(parameters)
	case "AssignMetadata":
		err = m.readAssignMetadata(parameters)
	case "ModifySet":
		err = m.readModifySet(parameters)
	}
	if err != nil {
		return nil, err
	}
	if id.Kind != "AssignMetadata" {
		if m.applyTo, err = readTargets(spec.get("applyTo")); err != nil {
			return nil, err
		}
	}
	m.matcher, err = readMatch(spec.get("match"), match)
	return m, err
}

func (spec fields) location() (path, error) {
	f := spec.get("location")
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	location, err := parsePath(text)
	if err != nil {
		return nil, f.wrong("%w", err)
	}
	if len(location) == 0 {
		return nil, f.wrong("it is missing; write the path to what is to be changed, as spec.replicas")
	}
	return location, nil
}

// locationField is where errors about a location are.
func locationField() field { return field{at: []string{"spec", "location"}} }

// outside returns an error if the mutator would change what no mutator but AssignMetadata may change, or the key by which it finds an
// element.
func (m *Mutator) outside() error {
	f := locationField()
	switch first := m.location[0].name; first {
	case "metadata":
		return f.wrong("%s cannot change metadata; labels and annotations are added by AssignMetadata", m.id.Kind)
	case "apiVersion", "kind", "status":
		return f.wrong("no mutator may change %s", first)
	}
	if last := len(m.location) - 1; last > 0 && m.location[last-1].list && m.location[last-1].name == m.location[last].name {
		return f.wrong("%s is the key by which the elements are found, and cannot be changed", m.location)
	}
	return nil
}

// member returns an error if the location ends at an element of a list.
func (m *Mutator) member() error {
	if m.location.last().list {
		return locationField().wrong("%s is an element of a list; %s changes a member of an object", m.location, m.id.Kind)
	}
	return nil
}

func readMatch(f field, match Match) (Matcher, error) {
	if _, ok := f.value.(map[string]any); !ok && f.value != nil {
		return nil, f.not("an object")
	}
	text := []byte("{}")
	if f.value != nil {
		var err error
		if text, err = json.Marshal(f.value); err != nil {
			return nil, f.wrong("%w", err)
		}
	}
	out, err := match(text)
	if err == nil && out == nil {
		err = errors.New("it cannot be read")
	}
	if err != nil {
		return nil, f.wrong("%w", err)
	}
	return out, nil
}

// weigh returns how many bytes of JSON a value is, or an error if it nests too deeply.
func weigh(f field) (int, error) {
	if nests(f.value) > maxNesting {
		return 0, f.wrong("it nests deeper than %d levels", maxNesting)
	}
	text, err := json.Marshal(f.value)
	if err != nil {
		return 0, f.wrong("%w", err)
	}
	return len(text), nil
}

// nests returns how many levels a value has.
func nests(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, nests(member))
		}
	case []any:
		for _, element := range v {
			deepest = max(deepest, nests(element))
		}
	default:
		return 0
	}
	return deepest + 1
}
