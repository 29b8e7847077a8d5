package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/portcullis-dev/portcullis/policies"
)

// schema is what a policy's METADATA says of its parameters. A nil schema is that of a policy that takes none.
type schema struct {
	described any
	compiled  *jsonschema.Schema
}

// newSchema reads a schema. A parameter that it does not name is refused unless it allows others: a misspelt one would silently not
// apply.
func newSchema(text json.RawMessage) (*schema, error) {
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
	const name = "portcullis:parameters"
	if err := compiler.AddResource(name, described); err != nil {
		return nil, under(fmt.Errorf("the schema of the parameters: %w", err), "parameters")
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		path, wrong := describe("schema", err)
		return nil, under(fmt.Errorf("the schema of the parameters is not a JSON schema: %w", wrong), append([]string{"parameters"}, path...)...)
	}
	return &schema{described, compiled}, nil
}

// parameters validates what was given and fills in the defaults. Nothing may be given.
func (s *schema) parameters(given json.RawMessage) (policies.Value, error) {
	nothing := len(given) == 0 || string(given) == "null"
	if s == nil {
		if !nothing && string(given) != "{}" {
			return nil, under(errors.New("parameters are given, but the policy takes none"), "parameters")
		}
		return nil, nil
	}
	var value any = map[string]any{}
	var err error
	if !nothing {
		if value, err = decode(given); err != nil {
			return nil, under(fmt.Errorf("parameters: %w", err), "parameters")
		}
	}
	value = fill(s.described, value)
	if err := s.compiled.Validate(value); err != nil {
		path, wrong := describe("parameters", err)
		return nil, under(wrong, append([]string{"parameters"}, path...)...)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	return policies.ParseValue(text)
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

// describe says in one line where below root the first wrong value is, and what is wrong.
func describe(root string, err error) (path []string, said error) {
	if schema, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = schema.Err
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, fmt.Errorf("%s: %s", root, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	path = invalid.InstanceLocation
	said = fmt.Errorf("%s: %s", strings.Join(append([]string{root}, path...), "."),
		invalid.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
	if unknown, ok := invalid.ErrorKind.(*kind.AdditionalProperties); ok && len(unknown.Properties) > 0 {
		path = append(slices.Clone(path), unknown.Properties[0])
	}
	return path, said
}
