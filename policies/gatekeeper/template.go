package gatekeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/policies"
)

// target is the one a template must have.
const target = "admission.k8s.gatekeeper.sh"

// Template is a ConstraintTemplate that was accepted. It is immutable.
type Template struct {
	Name string // as it is looked up: the kind in lower case
	Kind string // of its constraints
	File string
	Row  int // of the document's first line

	title, description string
	labels             map[string]string
	shortNames         []string
	operations         []string
	constraint         *apiextensionsv1.JSONSchemaProps // the schema of its constraints
	accepts            *validator
	modules            []*ast.Module         // rewritten; the entry module first
	texts              []policies.SourceText // of the modules, as they are in the file
	entry              ast.Ref               // the package of the entry module as the template has it
	code               string                // names the modules
	policy             *policies.Policy      // what they are compiled to
	inventory          bool                  // they read data.inventory
	notes              []string
}

// templateObject is what is read of a ConstraintTemplate. All three versions are spelled alike; what they have beside it is passed over, as
// the API server prunes it.
type templateObject struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		CRD struct {
			Spec struct {
				Names struct {
					Kind       string   `json:"kind"`
					ShortNames []string `json:"shortNames"`
				} `json:"names"`
				Validation *validationObject `json:"validation"`
			} `json:"spec"`
		} `json:"crd"`
		Targets []targetObject `json:"targets"`
	} `json:"spec"`
}

type validationObject struct {
	OpenAPIV3Schema *apiextensionsv1.JSONSchemaProps `json:"openAPIV3Schema"`
	LegacySchema    *bool                            `json:"legacySchema"`
}

type targetObject struct {
	Target     string       `json:"target"`
	Rego       string       `json:"rego"`
	Libs       []string     `json:"libs"`
	Code       []codeObject `json:"code"`
	Operations []string     `json:"operations"`
}

type codeObject struct {
	Engine string          `json:"engine"`
	Source json.RawMessage `json:"source"`
}

// template reads a ConstraintTemplate. Its Rego is rewritten, not compiled yet.
func (s *schemas) template(u *unit) (*Template, error) {
	if !slices.Contains([]string{"v1", "v1beta1", "v1alpha1"}, u.version) {
		return nil, coded{codeConversion, under(fmt.Errorf("version %s is none of v1, v1beta1 and v1alpha1", u.version), "apiVersion")}
	}
	text, err := json.Marshal(u.object.Object)
	if err != nil {
		return nil, err
	}
	var given templateObject
	if err := utiljson.Unmarshal(text, &given); err != nil {
		return nil, coded{codeConversion, mistyped(err)}
	}
	kind := given.Spec.CRD.Spec.Names.Kind
	names := []string{"spec", "crd", "spec", "names", "kind"}
	switch {
	case kind == "":
		return nil, under(errors.New("spec.crd.spec.names.kind is missing; it is the kind of the template's constraints"), names...)
	case !strings.EqualFold(kind, u.object.GetName()):
		return nil, under(fmt.Errorf("metadata.name must be the kind of the constraints, spec.crd.spec.names.kind, in lower case: %s",
			strings.ToLower(kind)), "metadata", "name")
	case len(validation.IsDNS1035Label(strings.ToLower(kind))) > 0:
		return nil, under(fmt.Errorf("spec.crd.spec.names.kind %q cannot be the kind of anything; a kind has letters and digits", kind), names...)
	}
	t := &Template{
		Name: strings.ToLower(kind), Kind: kind, File: u.doc.File, Row: u.row(),
		title:       given.Metadata.Annotations["metadata.gatekeeper.sh/title"],
		description: given.Metadata.Annotations["description"],
		labels:      given.Metadata.Labels,
		shortNames:  given.Spec.CRD.Spec.Names.ShortNames,
	}
	parameters := parametersSchema(u.version, given.Spec.CRD.Spec.Validation)
	if t.constraint, err = s.constraintSchema(parameters); err != nil {
		return nil, err
	}
	if t.accepts, err = newValidator(t.constraint); err != nil {
		return nil, err
	}
	return t, t.read(u, given.Spec.Targets)
}

// read reads the Rego of a template.
func (t *Template) read(u *unit, targets []targetObject) error {
	switch {
	case len(targets) != 1:
		return under(fmt.Errorf("spec.targets has %d entries; a template has one, for %s", len(targets), target), "spec", "targets")
	case targets[0].Target != target:
		return under(fmt.Errorf("spec.targets has the target %q; the only one there is is %s", targets[0].Target, target),
			"spec", "targets", "0", "target")
	}
	source, err := sourceOf(targets[0])
	if err != nil {
		return err
	}
	t.operations = targets[0].Operations
	if source.note != "" {
		t.notes = append(t.notes, fmt.Sprintf("%s: ConstraintTemplate %s: %s", u.at(source.notePath...), u.object.GetName(), source.note))
	}
	return t.rewrite(u, source)
}

// ReadsInventory reports whether the template's Rego reads data.inventory.
func (t *Template) ReadsInventory() bool { return t.inventory }

// awaitsDeletion reports whether the Rego looks for an operation that the template does not name: constraints that protect from deletion would
// never be asked.
func (t *Template) awaitsDeletion() (found bool) {
	if len(t.operations) > 0 {
		return false
	}
	for _, m := range t.modules {
		ast.WalkTerms(m, func(term *ast.Term) bool {
			found = found || ast.String("DELETE").Equal(term.Value)
			return found
		})
	}
	return found
}

// same reports whether another template of the name is the same in all that counts, as one applied a second time is.
func (t *Template) same(other *Template) bool {
	return t.Kind == other.Kind && t.content() == other.content()
}

// content is what makes the template what it is, but for where it was read.
func (t *Template) content() string {
	schema, _ := json.Marshal(t.constraint) // what was read as JSON can be written as JSON
	parts := []string{string(schema), strings.Join(t.operations, ",")}
	for _, m := range t.modules {
		parts = append(parts, m.String())
	}
	return strings.Join(parts, "\n")
}

// mistyped says in a sentence what a JSON decoder says of a value of the wrong type.
func mistyped(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return under(fmt.Errorf("%s must be %s, not %s", wrong.Field, inWords(wrong.Type.Kind().String()), inWords(wrong.Value)),
		strings.Split(wrong.Field, ".")...)
}

// inWords is what messages call a type of JSON's or Go's.
func inWords(kind string) string {
	for _, word := range []struct{ begins, word string }{
		{"string", "a text"},
		{"bool", "a boolean"},
		{"number", "a number"},
		{"int", "a number"},
		{"uint", "a number"},
		{"float", "a number"},
		{"array", "a list"},
		{"slice", "a list"},
		{"object", "a map"},
		{"struct", "a map"},
		{"map", "a map"},
		{"ptr", "a map"},
		{"null", "nothing"},
	} {
		if strings.HasPrefix(kind, word.begins) {
			return word.word
		}
	}
	return kind
}
