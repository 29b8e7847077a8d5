package gatekeeper

import (
	_ "embed" // of the schema of match
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	openapierrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"
)

//go:embed match.yaml
var matchYAML []byte

// schemas makes what holds constraints to the schemas of their kinds.
type schemas struct {
	once  sync.Once
	match apiextensionsv1.JSONSchemaProps
	err   error
}

// parametersSchema is the schema of spec.parameters; nil if there may be none. A legacy schema, which it is in v1beta1 and v1alpha1 unless it
// says otherwise, takes whatever is given beside what it names.
func parametersSchema(version string, given *validationObject) *apiextensionsv1.JSONSchemaProps {
	legacy := version != "v1"
	var schema *apiextensionsv1.JSONSchemaProps
	if given != nil {
		schema = given.OpenAPIV3Schema
		if given.LegacySchema != nil {
			legacy = *given.LegacySchema
		}
	}
	if !legacy {
		return schema
	}
	if schema == nil {
		schema = &apiextensionsv1.JSONSchemaProps{}
	}
	preserve(schema)
	return schema
}

// preserve lets every level of a schema take what it does not name, and gives lists without items any.
func preserve(s *apiextensionsv1.JSONSchemaProps) {
	switch s.Type {
	case "array":
		if s.Items == nil || s.Items.Schema == nil && len(s.Items.JSONSchemas) == 0 {
			s.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{}}
		}
		if s.Items.Schema != nil {
			preserve(s.Items.Schema)
		}
	case "", "object":
		if !s.XIntOrString {
			s.XPreserveUnknownFields = new(true)
		}
	}
	for name, property := range s.Properties {
		preserve(&property)
		s.Properties[name] = property
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		preserve(s.AdditionalProperties.Schema)
	}
}

// constraintSchema is that of the constraints of a template.
func (s *schemas) constraintSchema(parameters *apiextensionsv1.JSONSchemaProps) (*apiextensionsv1.JSONSchemaProps, error) {
	s.once.Do(func() { s.err = yaml.Unmarshal(matchYAML, &s.match) })
	if s.err != nil {
		return nil, s.err
	}
	type props = apiextensionsv1.JSONSchemaProps
	list := func(of props) props {
		return props{Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &of}}
	}
	spec := map[string]props{
		"match":             *s.match.DeepCopy(),
		"enforcementAction": {Type: "string", Default: &apiextensionsv1.JSON{Raw: []byte(`"deny"`)}},
		"scopedEnforcementActions": list(props{Type: "object", Properties: map[string]props{
			"action":            {Type: "string"},
			"enforcementPoints": list(props{Type: "object", Properties: map[string]props{"name": {Type: "string"}}}),
		}}),
	}
	if parameters != nil {
		spec["parameters"] = *parameters.DeepCopy()
	}
	return &props{Type: "object", Properties: map[string]props{
		"metadata": {Type: "object", Properties: map[string]props{"name": {Type: "string", MaxLength: new(int64(63))}}},
		"spec":     {Type: "object", Properties: spec},
		"status":   {Type: "object", XPreserveUnknownFields: new(true)},
	}}, nil
}

// validator holds constraints to the schema of their kind.
type validator struct {
	structural *structuralschema.Structural
	values     *validate.SchemaValidator
}

// schemaPath is where a template has the schema of its parameters.
func schemaPath() []string { return []string{"spec", "crd", "spec", "validation", "openAPIV3Schema"} }

// newValidator makes a validator of the schema of constraints.
func newValidator(schema *apiextensionsv1.JSONSchemaProps) (*validator, error) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(schema, &internal, nil); err != nil {
		return nil, under(fmt.Errorf("the schema of the parameters cannot be read: %w", err), schemaPath()...)
	}
	structural, err := structuralschema.NewStructural(&internal)
	if err != nil {
		return nil, under(fmt.Errorf("the schema of the parameters is not one of a CRD: %w", err), schemaPath()...)
	}
	if errs := structuralschema.ValidateStructural(nil, structural); len(errs) > 0 {
		path, what := inTemplate(errs[0])
		return nil, under(fmt.Errorf("the schema of the parameters is not one of a CRD: %s", what), path...)
	}
	if err := defaults(structural, ""); err != nil {
		return nil, under(err, schemaPath()...)
	}
	return &validator{structural: structural, values: validate.NewSchemaValidator(structural.ToKubeOpenAPI(), nil, "", strfmt.Default)}, nil
}

// defaults returns an error for a default that the schema itself does not take.
func defaults(s *structuralschema.Structural, name string) error {
	if s == nil {
		return nil
	}
	if s.Default.Object != nil {
		result := validate.NewSchemaValidator(s.ToKubeOpenAPI(), nil, name, strfmt.Default).Validate(s.Default.Object)
		if !result.IsValid() {
			_, what := inConstraint(result.Errors)
			return fmt.Errorf("the default does not fit the schema of the parameters: %w", what)
		}
	}
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[member]
		if err := defaults(&property, strings.TrimPrefix(name+"."+member, ".")); err != nil {
			return err
		}
	}
	if s.AdditionalProperties != nil {
		if err := defaults(s.AdditionalProperties.Structural, name+".*"); err != nil {
			return err
		}
	}
	return defaults(s.Items, name+"[*]")
}

// inTemplate says where in a template what is wrong with the schema of its constraints is, and what.
func inTemplate(wrong *field.Error) (path []string, what string) {
	below := strings.TrimPrefix(wrong.Field, "properties[spec].properties[parameters]")
	path = pathOf(below)
	name := strings.Join(path, ".")
	if name == "" {
		name = "openAPIV3Schema"
	}
	return append(schemaPath(), path...), name + ": " + wrong.ErrorBody()
}

// admit fills in the defaults of a constraint and says whether it fits the schema. It changes the constraint.
func (v *validator) admit(constraint map[string]any) error {
	fill(constraint, v.structural)
	if result := v.values.Validate(constraint); !result.IsValid() {
		path, what := inConstraint(result.Errors)
		return schematic{under(what, path...)}
	}
	unknown := pruning.PruneWithOptions(runtime.DeepCopyJSON(constraint), v.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return under(fmt.Errorf("%s is not known; correct the spelling, or leave it out", unknown[0]), pathOf(unknown[0])...)
	}
	return nil
}

// inConstraint says where in a constraint the first of the errors is, and what is wrong there.
func inConstraint(errs []error) ([]string, error) {
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	wrong, ok := errs[0].(*openapierrors.Validation) //nolint:errorlint // as the validator makes them
	if !ok {
		return nil, errs[0]
	}
	said := strings.TrimPrefix(strings.Replace(wrong.Error(), " in "+wrong.In, "", 1), ".")
	if before, is, ok := strings.Cut(said, ": "); ok && strings.Contains(before, " must be of type ") {
		said = before + ", not " + strings.Trim(is, `"`)
	}
	return pathOf(wrong.Name), errors.New(said)
}

// pathOf makes a path of a name such as spec.match.kinds[0].kinds.
func pathOf(name string) (path []string) {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if unquoted, err := strconv.Unquote(part); err == nil {
			part = unquoted
		}
		path = append(path, part)
	}
	return path
}

// fill puts the schema's defaults where something is missing, and takes away what is null and may not be, as an API server does before it
// stores an object.
func fill(value any, s *structuralschema.Structural) {
	if s == nil {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name, property := range s.Properties {
			if given, found := v[name]; (!found || given == nil && !property.Nullable) && property.Default.Object != nil {
				v[name] = runtime.DeepCopyJSONValue(property.Default.Object)
			}
		}
		for name, member := range v {
			of := memberSchema(s, name)
			if member == nil && of != nil && !of.Nullable {
				if delete(v, name); of.Default.Object != nil {
					v[name] = runtime.DeepCopyJSONValue(of.Default.Object)
				}
				continue
			}
			fill(member, of)
		}
	case []any:
		for i := range v {
			if v[i] == nil && s.Items != nil && !s.Items.Nullable && s.Items.Default.Object != nil {
				v[i] = runtime.DeepCopyJSONValue(s.Items.Default.Object)
			}
			fill(v[i], s.Items)
		}
	}
}

// memberSchema is that of a member of an object, or nil.
func memberSchema(s *structuralschema.Structural, name string) *structuralschema.Structural {
	if property, ok := s.Properties[name]; ok {
		return &property
	}
	if s.AdditionalProperties != nil {
		return s.AdditionalProperties.Structural
	}
	return nil
}
