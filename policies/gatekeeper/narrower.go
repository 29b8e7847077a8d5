package gatekeeper

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
)

// SchemaOf reads the schema of a version of a CRD.
func SchemaOf(content map[string]any) (*apiextensionsv1.JSONSchemaProps, error) {
	out := &apiextensionsv1.JSONSchemaProps{}
	return out, runtime.DefaultUnstructuredConverter.FromUnstructured(content, out)
}

// Dropped lists what an API server drops from a constraint, "spec.parameters.labels", when the schema of its kind is narrowed from an earlier
// one. What the constraint has only by a default of the earlier schema, nobody has given: it is left out.
func Dropped(constraint map[string]any, earlier, narrowed *apiextensionsv1.JSONSchemaProps) ([]string, error) {
	before, err := structural(earlier)
	if err != nil {
		return nil, err
	}
	after, err := structural(narrowed)
	if err != nil {
		return nil, err
	}
	constraint = runtime.DeepCopyJSON(constraint)
	unfill(constraint, before)
	dropped := pruning.PruneWithOptions(constraint, after, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	slices.Sort(dropped)
	return dropped, nil
}

// Retain puts into a schema what an earlier one has at paths, as Dropped lists them, without its defaults: an API server keeps there what is stored,
// and fills in nothing. What it cannot find a place for it leaves out. It changes narrowed.
func Retain(narrowed, earlier *apiextensionsv1.JSONSchemaProps, paths []string) {
	for _, path := range paths {
		retain(narrowed, earlier, pathOf(path))
	}
}

func retain(narrowed, earlier *apiextensionsv1.JSONSchemaProps, path []string) {
	if len(path) == 0 {
		return
	}
	below := func(s *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
		switch property, known := s.Properties[path[0]]; {
		case known:
			return &property
		case s.Items != nil:
			return s.Items.Schema
		case s.AdditionalProperties != nil:
			return s.AdditionalProperties.Schema
		}
		return nil
	}
	before, after := below(earlier), below(narrowed)
	switch {
	case after == nil && before == nil:
		before = &apiextensionsv1.JSONSchemaProps{XPreserveUnknownFields: new(true)} // which the earlier one has taken unnamed
		fallthrough
	case after == nil:
		after = before.DeepCopy()
		withoutDefaults(after)
	case before == nil:
		return
	default:
		retain(after, before, path[1:])
	}
	if narrowed.Items == nil && narrowed.AdditionalProperties == nil && (narrowed.Type == "" || narrowed.Type == "object") {
		if narrowed.Properties == nil {
			narrowed.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
		}
		narrowed.Properties[path[0]] = *after
	}
}

func withoutDefaults(s *apiextensionsv1.JSONSchemaProps) {
	s.Default = nil
	for name, property := range s.Properties {
		withoutDefaults(&property)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		withoutDefaults(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		withoutDefaults(s.AdditionalProperties.Schema)
	}
}

func structural(schema *apiextensionsv1.JSONSchemaProps) (*structuralschema.Structural, error) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(schema, &internal, nil); err != nil {
		return nil, err
	}
	return structuralschema.NewStructural(&internal)
}

// unfill takes away what is as the schema's defaults would have it.
func unfill(value any, s *structuralschema.Structural) {
	if s == nil {
		return
	}
	switch v := value.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(name string, member any) bool {
			property, ok := s.Properties[name]
			return ok && property.Default.Object != nil && reflect.DeepEqual(member, property.Default.Object)
		})
		for name, member := range v {
			unfill(member, memberSchema(s, name))
		}
	case []any:
		for _, item := range v {
			unfill(item, s.Items)
		}
	}
}
