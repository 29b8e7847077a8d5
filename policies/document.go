package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Document is an object that a Source found and that is no policy: a mutator, or what the policies are configured with. Whoever is
// concerned with its kind takes it from there.
type Document struct {
	File   string
	Row    int // of its first line; 0 when that is not known
	Object *unstructured.Unstructured
	// At returns the place, "file:row", of the member to which a path of keys and positions leads, or of the last on the way that is there.
	At func(path ...string) string

	listed bool // it came in a Bundle that is Listed
}

// Listed reports whether it came in a Bundle that is Listed: what is wrong with it is told where it lies, and is no reason not to begin.
func (d Document) Listed() bool { return d.listed }

// Spec reads the member spec into what points to a struct with tags for JSON. A member that the struct does not have is a Fault.
func (d Document) Spec(into any) *Fault {
	text, err := json.Marshal(d.Object.Object["spec"])
	if err != nil {
		return d.Fault(err, "spec")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := strings.TrimSuffix("spec."+wrong.Field, ".")
		return d.Fault(fmt.Errorf("%s cannot be %s", field, inWords(wrong.Value)), strings.Split(field, ".")...)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return d.Fault(fmt.Errorf("%s is not known under spec; correct the spelling, or leave it out", name), "spec", strings.Trim(name, `"`))
	}
	return d.Fault(fmt.Errorf("spec cannot be read: %w", err), "spec")
}

// inWords is what messages call a type of JSON's, of which encoding/json says "number 1.5" and the like.
func inWords(kind string) string {
	kind, _, _ = strings.Cut(kind, " ")
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "a map"
	case "string":
		return "a text"
	case "bool":
		return "a boolean"
	}
	return "such a " + kind
}

// Fault says what is wrong with the document, or with the member under a path.
func (d Document) Fault(err error, path ...string) *Fault {
	return &Fault{File: d.File, Policy: d.name(), Err: fmt.Errorf("%s: %s %s: %w", d.At(path...), d.Object.GetKind(), d.Object.GetName(), err)}
}

// name is the document's in Faults, as no policy is called.
func (d Document) name() string {
	return strings.ToLower(d.Object.GetKind()) + "/" + d.Object.GetName()
}
