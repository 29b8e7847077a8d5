package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/portcullis-dev/portcullis/policies"
)

// parameters validates what was given against the schema in a policy's METADATA and fills in its defaults. Both may be empty:
// a policy without a schema takes no parameters. A parameter the schema does not name is refused unless the schema allows others: a
// misspelt one would silently not apply.
func parameters(schema, given json.RawMessage) (policies.Value, error) {
	if len(schema) == 0 {
		if len(given) > 0 && string(given) != "null" && string(given) != "{}" {
			return nil, errors.New("parameters are given, but the policy takes none")
		}
		return nil, nil
	}
	described, err := decode(schema)
	if err != nil {
		return nil, fmt.Errorf("the schema of the parameters: %w", err)
	}
	described = closed(described)
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	const name = "portcullis:parameters"
	if err := compiler.AddResource(name, described); err != nil {
		return nil, fmt.Errorf("the schema of the parameters: %w", err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("the schema of the parameters is not a JSON schema: %w", describe("schema", err))
	}
	var value any = map[string]any{}
	if len(given) > 0 && string(given) != "null" {
		if value, err = decode(given); err != nil {
			return nil, fmt.Errorf("parameters: %w", err)
		}
	}
	value = fill(described, value)
	if err := compiled.Validate(value); err != nil {
		return nil, describe("parameters", err)
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

// describe says in one line what the first wrong value is, and where in root.
func describe(root string, err error) error {
	if schema, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = schema.Err
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("%s: %s", root, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	where := strings.Join(append([]string{root}, invalid.InstanceLocation...), ".")
	return fmt.Errorf("%s: %s", where, invalid.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}
