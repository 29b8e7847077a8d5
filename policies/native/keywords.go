package native

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// schemaKeywords are the words of a JSON schema, and what stands under each: a schema, a list or a map of schemas, or something else.
func schemaKeywords() map[string]string {
	out := map[string]string{}
	for holds, words := range map[string]string{
		"schema": "additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems unevaluatedProperties",
		"list":   "allOf anyOf items oneOf prefixItems",
		"map":    "$defs definitions dependencies dependentSchemas patternProperties properties",
		"": "$anchor $comment $dynamicAnchor $dynamicRef $id $ref $schema $vocabulary const contentEncoding contentMediaType default dependentRequired " +
			"deprecated description enum examples exclusiveMaximum exclusiveMinimum format id maxContains maxItems maxLength maxProperties maximum " +
			"minContains minItems minLength minProperties minimum multipleOf pattern readOnly required title type uniqueItems writeOnly " + uniqueItems,
	} {
		for word := range strings.FieldsSeq(words) {
			out[word] += " " + holds
		}
	}
	return out
}

// keywords returns an error for the first word of a schema, or of those in it, that means nothing there: JSON schema passes over it, and a
// misspelt default would be none. Words that begin with "x-" are free. The path leads to the schema, from that of the parameters on.
func keywords(schema any, path ...string) error {
	described, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	known := schemaKeywords()
	for _, word := range slices.Sorted(maps.Keys(described)) {
		at := append(slices.Clone(path), word)
		holds, found := known[word]
		if !found && !strings.HasPrefix(word, "x-") {
			name := strings.Join(append([]string{"schema"}, at...), ".")
			err := fmt.Errorf("the schema of the parameters: %s is no word of JSON schema; leave it out, or begin it with %q", name, "x-")
			if near := spelling.Nearest(word, slices.Sorted(maps.Keys(known))...); near != "" {
				err = fmt.Errorf("the schema of the parameters: %s is no word of JSON schema; did you mean %s?", name, near)
			}
			return under(err, append([]string{"parameters"}, at...)...)
		}
		if word == "format" {
			if err := wrongFormat(strings.Join(append([]string{"schema"}, path...), "."), described[word]); err != nil {
				return under(err, append([]string{"parameters"}, at...)...)
			}
		}
		switch below := described[word].(type) {
		case []any:
			for i, sub := range below {
				if !strings.Contains(holds, "list") {
					break
				}
				if err := keywords(sub, append(at, strconv.Itoa(i))...); err != nil {
					return err
				}
			}
		case map[string]any:
			if strings.Contains(holds, "schema") {
				if err := keywords(below, at...); err != nil {
					return err
				}
			}
			for _, name := range slices.Sorted(maps.Keys(below)) {
				if !strings.Contains(holds, "map") {
					break
				}
				if err := keywords(below[name], append(at, name)...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
