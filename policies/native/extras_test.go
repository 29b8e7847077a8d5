package native

import "testing"

func TestWordsBeyondJSONSchema(t *testing.T) {
	parameters := func(word string) string {
		return described("custom:", "  portcullis:", "    match: {resources: [pods]}", "    parameters:", "      properties:", "        list: "+word)
	}
	tell(t, []mistake{
		{
			"no list of members", "a.rego", parameters("{type: array, default: [], uniqueItemProperties: name}"),
			"a.rego:5: policy a: the schema of the parameters is not a JSON schema: schema: uniqueItemProperties is a list of members",
		},
		{
			"no members", "a.rego", parameters("{type: array, default: [], uniqueItemProperties: [1]}"),
			"a.rego:5: policy a: the schema of the parameters is not a JSON schema: schema: uniqueItemProperties is a list of members",
		},
		{
			"the same twice", "a.rego", parameters("{type: array, default: [{a: 1}, {}, {b: 2}, {a: 2}, {a: 1}], uniqueItemProperties: [b, a]}"),
			`a.rego:5: policy a: parameters.list: two items have the a 1; give each one of its own`,
		},
	})
}
