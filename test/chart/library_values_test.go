package chart

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/cmd"
	"github.com/portcullis-dev/portcullis/policies/library"
)

type object = map[string]any

var schemaFile = filepath.Join(root, "charts", "portcullis", "values.schema.json")

// metadata is what a library policy's METADATA says to Portcullis.
func metadata(t *testing.T, name string) object {
	t.Helper()
	text, err := fs.ReadFile(library.FS(), library.File(name))
	if err != nil {
		t.Fatal(err)
	}
	module, err := ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{ProcessAnnotation: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, annotation := range module.Annotations {
		if ours, ok := annotation.Custom["portcullis"].(object); ok {
			return ours
		}
	}
	t.Fatalf("%s has no METADATA", name)
	return nil
}

// parameters are the JSON schema that a library policy's METADATA has for its parameters; nil if it takes none.
func parameters(t *testing.T, name string) object {
	t.Helper()
	described, _ := metadata(t, name)["parameters"].(object)
	return described
}

// asGiven is a schema of what a user writes: members with a default need not be given. Descriptions are left out.
func asGiven(schema any) any {
	switch s := schema.(type) {
	case object:
		out := object{}
		for key, value := range s {
			switch key {
			case "description", "default", "examples":
				if _, isMember := value.(object); !isMember {
					continue
				}
			}
			out[key] = asGiven(value)
		}
		properties, _ := s["properties"].(object)
		if required, ok := s["required"].([]any); ok {
			delete(out, "required")
			required = slices.DeleteFunc(slices.Clone(required), func(name any) bool {
				member, _ := properties[name.(string)].(object)
				_, byDefault := member["default"]
				return byDefault
			})
			if len(required) > 0 {
				out["required"] = required
			}
		}
		return out
	case []any:
		out := make([]any, len(s))
		for i := range s {
			out[i] = asGiven(s[i])
		}
		return out
	}
	return schema
}

// match is the schema of spec.match, as the definition of the kind has it, closed at every level, with how the server
// wants its texts spelt. Documents may have one stage as a text.
func match(t *testing.T) object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "charts", "portcullis", "files", "crds", "portcullis.dev_policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var definition any
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"spec", "versions", "", "schema", "openAPIV3Schema", "properties", "spec", "properties", "match"} {
		if list, ok := definition.([]any); ok {
			definition = list[0]
			continue
		}
		definition = definition.(object)[step]
	}
	var closed func(any) any
	closed = func(schema any) any {
		s, ok := schema.(object)
		if !ok {
			return schema
		}
		out := object{}
		for key, value := range s {
			if key == "description" || strings.HasPrefix(key, "x-kubernetes-") {
				continue
			}
			if members, ok := value.(object); ok && key == "properties" {
				all := object{}
				for name, member := range members {
					all[name] = closed(member)
				}
				out[key], out["additionalProperties"] = all, false
				continue
			}
			out[key] = closed(value)
		}
		return out
	}
	out := closed(definition).(object)
	members := out["properties"].(object)
	stages := members["stage"].(object)
	members["stage"] = object{"anyOf": []any{stages, stages["items"]}}
	for member, pattern := range map[string]string{
		"resources":         `^(\*|\*/\*|[^ *A-Z/]+(/[^ ]*[^ /])?)$`,
		"namespaces":        `^(\*?[a-z0-9-]+\*?|\*\*?)$`,
		"excludeNamespaces": `^(\*?[a-z0-9-]+\*?|\*\*?)$`,
		"users":             `^(\*?[^*]+\*?|\*\*?)$`,
		"groups":            `^(\*?[^*]+\*?|\*\*?)$`,
		"changes":           `^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$`,
	} {
		items := members[member].(object)["items"].(object)
		items["pattern"] = pattern
	}
	for _, member := range []string{"labels", "namespaceLabels"} {
		expressions := members[member].(object)["properties"].(object)["matchExpressions"].(object)
		operator := expressions["items"].(object)["properties"].(object)["operator"].(object)
		operator["enum"] = []any{"In", "NotIn", "Exists", "DoesNotExist"}
	}
	return out
}

// definitions are the part of the chart's schema that is about the library.
func definitions(t *testing.T) object {
	t.Helper()
	names := slices.Sorted(slices.Values(library.Names()))
	specs, needs, all := object{}, []any{}, object{}
	for _, name := range names {
		spec := object{
			"match":       object{"$ref": "#/$defs/libraryMatch"},
			"enforcement": object{"type": "string", "enum": []string{"deny", "warn", "audit", "off"}},
			"onError":     object{"type": "string", "enum": []string{"deny", "warn", "allow"}},
			"parameters":  object{"type": "object", "additionalProperties": false},
		}
		described := object{"type": "object", "additionalProperties": false, "properties": spec}
		if given := parameters(t, name); given != nil {
			of := asGiven(given).(object)
			properties, _ := of["properties"].(object)
			for parameter, schema := range properties {
				if before, ok := all[parameter]; ok && !reflect.DeepEqual(before, schema) {
					schema = true // each policy has its own
				}
				all[parameter] = schema
			}
			spec["parameters"] = of
			if of["required"] != nil {
				described["required"] = []string{"parameters"}
				needs = append(needs, object{
					"if":   object{"properties": object{"names": object{"contains": object{"const": name}}}, "required": []string{"names"}},
					"then": object{"properties": object{"specs": object{"required": []string{name}}}},
				})
			}
		}
		specs[name] = described
	}
	delete(all, "version") // which is given with the name of a bundle
	return object{
		"libraryBundle":     object{"type": "string", "pattern": bundlePattern(t)},
		"libraryPolicy":     object{"enum": names},
		"libraryMatch":      match(t),
		"libraryParameters": object{"type": "object", "additionalProperties": false, "properties": all},
		"libraryNeeds":      object{"allOf": needs},
		"librarySpecs":      object{"type": "object", "additionalProperties": false, "properties": specs},
	}
}

// member is what the chart is told of a policy in a bundle.
type member struct {
	Versioned bool `json:"versioned,omitempty"` // it has the parameter version
}

// bundles are those of the library, by their names and those of their policies.
func bundles(t *testing.T) map[string]map[string]member {
	t.Helper()
	reader, err := cmd.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]member{}
	for _, l := range reader.Bundles() {
		out[l.Name] = map[string]member{}
		for _, name := range l.Policies {
			properties, _ := parameters(t, name)["properties"].(object)
			out[l.Name][name] = member{Versioned: properties["version"] != nil}
		}
	}
	return out
}

// bundlePattern is how the bundles of the chart's values are written: a version has only what depends on it.
func bundlePattern(t *testing.T) string {
	t.Helper()
	var out []string
	all := bundles(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, in := range all[name] {
			if in.Versioned {
				name += `(@(latest|v1\.(0|[1-9][0-9]{0,4})))?`
				break
			}
		}
		out = append(out, name)
	}
	return "^(" + strings.Join(out, "|") + ")$"
}
