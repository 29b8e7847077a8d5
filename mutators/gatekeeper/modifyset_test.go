package gatekeeper

import "testing"

func TestModifySet(t *testing.T) {
	merge := `location: 'spec.c[name: *].args', parameters: {values: {fromList: [b, c]}}`
	prune := `location: 'spec.c[name: *].args', parameters: {operation: prune, values: {fromList: [b, c]}}`
	applied(t, "ModifySet", []row{
		{"merges into nothing", merge, `spec: {c: [{name: a}]}`, `{"spec":{"c":[{"args":["b","c"],"name":"a"}]}}`},
		{"merges what is missing, at the end", merge, `spec: {c: [{args: [c, a]}]}`, `{"spec":{"c":[{"args":["c","a","b"]}]}}`},
		{"leaves alone what has it all", merge, `spec: {c: [{args: [c, a, b, c]}]}`, `{"spec":{"c":[{"args":["c","a","b","c"]}]}}`},
		{"merge said aloud", `location: spec.a, parameters: {operation: merge, values: {fromList: [1]}}`, `spec: {a: [2]}`, `{"spec":{"a":[2,1]}}`},
		{"makes what is missing on the way", `location: 'spec.c[name: x].args', parameters: {values: {fromList: [1]}}`, `{}`, `{"spec":{"c":[{"args":[1],"name":"x"}]}}`},
		{"objects are compared whole", `location: spec.a, parameters: {values: {fromList: [{k: 1}, {k: 1, v: 2}]}}`, `spec: {a: [{k: 1, v: 2}]}`, `{"spec":{"a":[{"k":1,"v":2},{"k":1}]}}`},
		{"text is not a number", `location: spec.a, parameters: {values: {fromList: [1]}}`, `spec: {a: ["1"]}`, `{"spec":{"a":["1",1]}}`},
		{"a value twice", `location: spec.a, parameters: {values: {fromList: [1, 1]}}`, `spec: {a: []}`, `{"spec":{"a":[1]}}`},
		{"a value twice into nothing", `location: spec.a, parameters: {values: {fromList: [1, 1]}}`, `{}`, `{"spec":{"a":[1,1]}}`},
		{"nothing to merge", `location: spec.a, parameters: {}`, `{}`, `{}`},
		{"prunes all of them, and nothing else", prune, `spec: {c: [{args: [c, a, b, c, a]}]}`, `{"spec":{"c":[{"args":["a","a"]}]}}`},
		{"prunes until nothing is left", prune, `spec: {c: [{args: [c]}]}`, `{"spec":{"c":[{"args":[]}]}}`},
		{"prunes from nothing", prune, `spec: {c: [{name: a}]}`, `{"spec":{"c":[{"name":"a"}]}}`},
		{"makes nothing to prune from", `location: 'spec.c[name: x].args', parameters: {operation: prune, values: {fromList: [1]}}`, `{}`, `{}`},
		{"path tests", `location: spec.a, parameters: {pathTests: [{subPath: spec.a, condition: MustExist}], values: {fromList: [1]}}`, `{}`, `{}`},
		{"merges into a scalar", `location: spec.a, parameters: {values: {fromList: [1]}}`, `spec: {a: secret}`, `ModifySet/m cannot be applied: spec.a is a string, not a list`},
		{"prunes from an object", `location: spec.a, parameters: {operation: prune, values: {fromList: [1]}}`, `spec: {a: {}}`, `ModifySet/m cannot be applied: spec.a is an object, not a list`},
	})
}
