package native

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/message"
)

// uniqueItems is the word uniqueItemProperties, which Ajv has too: no two items of a list have the same value of one of these members.
const uniqueItems = "uniqueItemProperties"

// vocabulary is what a schema may say beyond JSON schema.
func vocabulary() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL: "portcullis:vocabulary",
		Compile: func(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
			word, ok := schema[uniqueItems]
			if !ok {
				return nil, nil
			}
			list, ok := word.([]any)
			if !ok {
				return nil, fmt.Errorf("%s is a list of members", uniqueItems)
			}
			var members uniqueBy
			for _, one := range list {
				name, ok := one.(string)
				if !ok {
					return nil, fmt.Errorf("%s is a list of members", uniqueItems)
				}
				members = append(members, name)
			}
			return members, nil
		},
	}
}

// uniqueBy are the members by which the items of a list differ.
type uniqueBy []string

// Validate reports the first two items that have the same value. Items without the member differ from all.
func (u uniqueBy) Validate(ctx *jsonschema.ValidatorContext, v any) {
	items, _ := v.([]any)
	for _, member := range u {
		var values []any
		for _, item := range items {
			object, _ := item.(map[string]any)
			value, ok := object[member]
			if !ok {
				continue
			}
			for _, other := range values {
				if reflect.DeepEqual(value, other) {
					ctx.AddError(sameValue{member, value})
					return
				}
			}
			values = append(values, value)
		}
	}
}

// sameValue is the error of two items that do not differ.
type sameValue struct {
	member string
	value  any
}

// KeywordPath says which word of the schema is not met.
func (s sameValue) KeywordPath() []string { return []string{uniqueItems} }

// LocalizedString says what is wrong.
func (s sameValue) LocalizedString(p *message.Printer) string {
	value, err := json.Marshal(s.value)
	if err != nil { // it was read from JSON
		value = []byte("of the other")
	}
	return p.Sprintf("two items have the %s %s; give each one of its own", s.member, value)
}
