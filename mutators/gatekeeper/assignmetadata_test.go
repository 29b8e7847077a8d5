package gatekeeper

import "testing"

func TestAssignMetadata(t *testing.T) {
	label := `location: metadata.labels.owner, parameters: {assign: {value: ops}}`
	applied(t, "AssignMetadata", []row{
		{"a label", label, `{}`, `{"metadata":{"labels":{"owner":"ops"}}}`},
		{"beside others", label, `metadata: {name: n, labels: {a: b}}`, `{"metadata":{"labels":{"a":"b","owner":"ops"}}}`},
		{"what is there stays", label, `metadata: {name: n, labels: {owner: me}}`, `{"metadata":{"labels":{"owner":"me"}}}`},
		{"even if it is empty", label, `metadata: {name: n, labels: {owner: ""}}`, `{"metadata":{"labels":{"owner":""}}}`},
		{"null is nothing", label, `metadata: {name: n, labels: null}`, `{"metadata":{"labels":{"owner":"ops"}}}`},
		{"an annotation", `location: 'metadata.annotations."example.com/owner"', parameters: {assign: {value: "1"}}`, `{}`, `{"metadata":{"annotations":{"example.com/owner":"1"}}}`},
		{"the name", `location: metadata.labels.owner, parameters: {assign: {fromMetadata: {field: name}}}`, `{}`, `{"metadata":{"labels":{"owner":"n"}}}`},
		{"the namespace", `location: metadata.labels.owner, parameters: {assign: {fromMetadata: {field: namespace}}}`, `{}`, `{"metadata":{"labels":{"owner":"prod"}}}`},
		{"no name yet", `location: metadata.labels.owner, parameters: {assign: {fromMetadata: {field: name}}}`, `metadata: {generateName: n-}`, `{"metadata":{"generateName":"n-","labels":{"owner":""}}}`},
		{"another object", `match: {only: web}, ` + label, `{}`, `{}`},
		{"a match that cannot be told", `match: {error: the namespace is not known}, ` + label, `{}`, `it cannot be told whether AssignMetadata/m is about the object: the namespace is not known`},
		{"labels are a list", label, `metadata: {name: n, labels: []}`, `AssignMetadata/m cannot be applied: metadata.labels is a list, not an object`},
	})
	if mutator(t, spec("AssignMetadata", "m", label)).Targets() != nil {
		t.Error("it is about some kinds only")
	}
}
