package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// schema is what a policy's METADATA says of its parameters. A nil schema is that of a policy that takes none.
type schema struct {
	described any
	compiled  *jsonschema.Schema
}

// newSchema reads a schema. A parameter that it does not name is refused unless it allows others: a misspelt one would silently not
// apply. The objects are those that the policy is asked about, in which a parameter may name fields.
func newSchema(text json.RawMessage, objects []policies.Resource) (*schema, error) {
	if len(text) == 0 {
		return nil, nil
	}
	described, err := decode(text)
	if err != nil {
		return nil, under(fmt.Errorf("the schema of the parameters: %w", err), "parameters")
	}
	if err := keywords(described); err != nil {
		return nil, err
	}
	described = closed(described)
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	useFormats(compiler, objects)
	compiler.RegisterVocabulary(vocabulary())
	compiler.AssertVocabs()
	const name = "portcullis:parameters"
	if err := compiler.AddResource(name, described); err != nil {
		return nil, under(fmt.Errorf("the schema of the parameters: %w", err), "parameters")
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		path, wrong := describe("schema", nil, err)
		return nil, under(fmt.Errorf("the schema of the parameters is not a JSON schema: %w", wrong), append([]string{"parameters"}, path...)...)
	}
	return &schema{described, compiled}, nil
}

// parameters validates what was given and fills in the defaults. Nothing may be given. The notes are of what is valid and came too late.
func (s *schema) parameters(given json.RawMessage, now time.Time) (out policies.Value, notes []error, err error) {
	nothing := len(given) == 0 || string(given) == "null"
	if s == nil {
		if !nothing && string(given) != "{}" {
			return nil, nil, under(errors.New("parameters are given, but the policy takes none"), "parameters")
		}
		return nil, nil, nil
	}
	var value any = map[string]any{}
	if !nothing {
		if value, err = decode(given); err != nil {
			return nil, nil, under(fmt.Errorf("parameters: %w", err), "parameters")
		}
	}
	value = fill(s.described, value)
	if err := s.compiled.Validate(value); err != nil {
		path, wrong := describe("parameters", s.described, err)
		return nil, nil, under(wrong, append([]string{"parameters"}, path...)...)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, nil, fmt.Errorf("parameters: %w", err)
	}
	out, err = policies.ParseValue(text)
	return out, overdue(s.described, value, now, "parameters"), err
}

// noLoader keeps schemas from fetching others: a policy reaches nothing outside the server, and its schema does not either.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s: a schema must stand by itself", url)
}

// decode keeps numbers as they are spelled.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out any
	err := d.Decode(&out)
	return out, err
}

// closed returns the schema with additionalProperties false, unless it says something of its own about members it does not list.
// Below the first level the schema is taken as it is written.
func closed(schema any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return schema
	}
	for _, says := range []string{"additionalProperties", "patternProperties", "unevaluatedProperties"} {
		if _, ok := s[says]; ok {
			return schema
		}
	}
	out := maps.Clone(s)
	out["additionalProperties"] = false
	return out
}

// fill returns the value with the schema's defaults where members are absent, at every level.
func fill(schema, value any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for name, sub := range properties {
			described, _ := sub.(map[string]any)
			member, given := v[name]
			if !given {
				if member, given = described["default"]; !given {
					continue
				}
			}
			v[name] = fill(sub, member)
		}
	case []any:
		for i := range v {
			v[i] = fill(s["items"], v[i])
		}
	}
	return value
}

// describe says in one line where below root the first wrong value is, and what is wrong with it by the schema.
func describe(root string, schema any, err error) (path []string, said error) {
	if schema, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = schema.Err
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, fmt.Errorf("%s: %s", root, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	var above []string // of a name, which is judged by itself, where the object is that has it
	for len(invalid.Causes) > 0 {
		if path, said := misspelt(root, schema, invalid.Causes); said != nil {
			return path, said
		}
		if path, said := noneGiven(root, invalid); said != nil {
			return path, said
		}
		if _, names := invalid.ErrorKind.(*kind.PropertyNames); names {
			above = declaredAt(invalid.SchemaURL) // InstanceLocation is overwritten by what is validated later
		}
		invalid = invalid.Causes[0]
	}
	path = slices.Concat(above, invalid.InstanceLocation)
	wrong := invalid.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	switch found := invalid.ErrorKind.(type) {
	case *kind.Format:
		if said, ok := errors.AsType[*formatError](found.Err); ok {
			wrong = said.Error()
		}
	case *kind.OneOf:
		if names := alternatives(schema, path); len(names) > 0 { // each is there
			wrong = "give " + spelling.Listed(names, "or") + ", and not more than one of them"
		}
	}
	return path, fmt.Errorf("%s: %s", strings.Join(append([]string{root}, path...), "."), wrong)
}

// declaredAt are the members through which the place of a schema leads, as far as each has a name.
func declaredAt(url string) (path []string) {
	_, fragment, _ := strings.Cut(url, "#/")
	steps := strings.Split(fragment, "/")
	for i := 0; i+1 < len(steps) && steps[i] == "properties"; i += 2 {
		path = append(path, steps[i+1])
	}
	return path
}

// misspelt tells of the first member among causes that the schema does not know. It says more than that another is missing, for which it may
// have been meant.
func misspelt(root string, schema any, causes []*jsonschema.ValidationError) (path []string, said error) {
	var unknown *kind.AdditionalProperties
	var missing []string
	for _, cause := range causes {
		switch found := cause.ErrorKind.(type) {
		case *kind.AdditionalProperties:
			unknown, path = found, cause.InstanceLocation
		case *kind.Required:
			missing = found.Missing
		}
	}
	if unknown == nil || len(unknown.Properties) == 0 {
		return nil, nil
	}
	key, parent := slices.Min(unknown.Properties), strings.Join(append([]string{root}, path...), ".")
	known := membersAt(schema, path)
	near := spelling.Nearest(key, known...)
	if near == "" && len(missing) == 1 && len(unknown.Properties) == 1 {
		near = missing[0]
	}
	switch {
	case near != "":
		said = fmt.Errorf("%s is not known; did you mean %s?", dotted(parent, key), dotted(parent, near))
	case len(known) > 0:
		said = fmt.Errorf("%s is not known; the keys of %s are %s", dotted(parent, key), parent, spelling.Listed(known, "and"))
	default:
		said = fmt.Errorf("%s is not known", dotted(parent, key))
	}
	return append(slices.Clone(path), key), said
}

// noneGiven tells of members of which one suffices, where none is given.
func noneGiven(root string, invalid *jsonschema.ValidationError) (path []string, said error) {
	switch invalid.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
	default:
		return nil, nil
	}
	var missing []string
	for _, cause := range invalid.Causes {
		required, ok := cause.ErrorKind.(*kind.Required)
		if !ok {
			return nil, nil
		}
		missing = append(missing, required.Missing...)
	}
	path = invalid.InstanceLocation
	return path, fmt.Errorf("%s: give %s", strings.Join(append([]string{root}, path...), "."), spelling.Listed(missing, "or"))
}

// alternatives are the members that the oneOf of the schema at a path requires, one in each of its schemas.
func alternatives(schema any, path []string) (out []string) {
	s, _ := schemaAt(schema, path).(map[string]any)
	several, _ := s["oneOf"].([]any)
	for _, one := range several {
		of, _ := one.(map[string]any)
		required, _ := of["required"].([]any)
		if len(required) != 1 {
			return nil
		}
		name, _ := required[0].(string)
		out = append(out, name)
	}
	return out
}

// membersAt are the members that a schema names at a path, as far as it says so plainly.
func membersAt(schema any, path []string) []string {
	s, _ := schemaAt(schema, path).(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

// schemaAt is that of the value at a path, as far as it is said plainly.
func schemaAt(schema any, path []string) any {
	for _, step := range path {
		s, _ := schema.(map[string]any)
		properties, _ := s["properties"].(map[string]any)
		if schema = properties[step]; schema == nil {
			schema = s["items"]
		}
	}
	return schema
}
