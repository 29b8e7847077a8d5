package mutators

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestEditsOfSeveralPolicies(t *testing.T) {
	const app = `{"spec":{"containers":[{"name":"app"},{"name":"log"}]}}`
	for _, c := range []struct {
		name, object string
		edits        []string
		want         string // the object
		clash        string // or the finding
		field        string
	}{
		{name: "one path, equal values", object: `{}`, edits: []string{
			`{"policy":"a","set":["x"],"value":1}`, `{"policy":"b","set":["x"],"value":1.0}`,
		}, want: `{"x":1}`},
		{
			name: "one path, different values", object: `{}`, edits: []string{
				`{"policy":"a","set":["spec","x"],"value":1}`, `{"policy":"b","set":["spec","x"],"value":2}`,
			},
			clash: `the policies "a" and "b" contradict each other: both want to set spec.x, with different values`, field: "spec.x",
		},
		{
			name: "one element found in two ways", object: app, edits: []string{
				`{"policy":"a","set":["spec","containers",0,"image"],"value":"x"}`,
				`{"policy":"b","set":["spec","containers",{"name":"app"},"image"],"value":"y"}`,
			},
			clash: `the policies "a" and "b" contradict each other: one wants to set spec.containers[0].image, the other to set spec.containers[name="app"].image`,
			field: "spec.containers[0].image",
		},
		{
			name: "one policy against itself", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":1}`, `{"policy":"a","remove":["x"]}`},
			clash: `the policy "a" contradicts itself: one edit wants to set x, another to remove x`, field: "x",
		},
		{
			name: "set and remove", object: `{"x":1}`, edits: []string{`{"policy":"a","remove":["x"]}`, `{"policy":"b","set":["x"],"value":1}`},
			clash: `the policies "b" and "a" contradict each other: one wants to set x, the other to remove x`, field: "x",
		},
		{
			name: "remove above set", object: `{"x":{"y":1}}`, edits: []string{`{"policy":"a","remove":["x"]}`, `{"policy":"b","set":["x","y"],"value":1}`},
			clash: `the policies "a" and "b" contradict each other: one wants to remove x, the other to set x.y`, field: "x.y",
		},
		{name: "remove twice", object: `{"x":{"y":1}}`, edits: []string{`{"policy":"a","remove":["x"]}`, `{"policy":"b","remove":["x","y"]}`, `{"policy":"c","remove":["x"]}`}, want: `{}`},
		{name: "set above set, consistent", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":{"y":1,"z":2}}`, `{"policy":"b","set":["x","y"],"value":1}`}, want: `{"x":{"y":1,"z":2}}`},
		{
			name: "set above set, inconsistent", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":{"z":2}}`, `{"policy":"b","set":["x","y"],"value":1}`},
			clash: `the policies "a" and "b" contradict each other: one wants to set x, the other to set x.y`, field: "x.y",
		},
		{
			name: "set above set through a value of another type", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":"s"}`, `{"policy":"b","set":["x","y"],"value":1}`},
			clash: `the policies "a" and "b" contradict each other: one wants to set x, the other to set x.y`, field: "x.y",
		},
		{name: "set above remove, consistent", object: `{"x":{"y":1}}`, edits: []string{`{"policy":"a","set":["x"],"value":{"z":2}}`, `{"policy":"b","remove":["x","y"]}`}, want: `{"x":{"z":2}}`},
		{name: "set above append, consistent", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":[1,2]}`, `{"policy":"b","append":["x"],"value":2}`}, want: `{"x":[1,2]}`},
		{
			name: "set above append, inconsistent", object: `{"x":[3]}`, edits: []string{`{"policy":"a","set":["x"],"value":[1,2]}`, `{"policy":"b","append":["x"],"value":3}`},
			clash: `the policies "a" and "b" contradict each other: one wants to set x, the other to append to x`, field: "x",
		},
		{name: "set above append by key, consistent", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":[{"n":1,"v":1},{"n":2}]}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":1}}`}, want: `{"x":[{"n":1,"v":1},{"n":2}]}`},
		{
			name: "set above append by key, inconsistent", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":[{"n":1,"v":1}]}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":2}}`},
			clash: `the policies "a" and "b" contradict each other: one wants to set x, the other to append to x`, field: "x",
		},
		{name: "an element replaced and edited, consistent", object: `{"x":[{"n":1}]}`, edits: []string{`{"policy":"a","append":["x"],"key":"n","value":{"n":1,"v":1}}`, `{"policy":"b","set":["x",0,"v"],"value":1}`}, want: `{"x":[{"n":1,"v":1}]}`},
		{
			name: "an element replaced and edited, inconsistent", object: `{"x":[{"n":1}]}`, edits: []string{`{"policy":"a","append":["x"],"key":"n","value":{"n":1}}`, `{"policy":"b","set":["x",0,"v"],"value":1}`},
			clash: `the policies "a" and "b" contradict each other: one wants to append to x, the other to set x[0].v`, field: "x[0].v",
		},
		{
			name: "a list set anew is searched anew", object: app, edits: []string{
				`{"policy":"a","set":["spec","containers"],"value":[{"name":"log"},{"name":"app","image":"x"}]}`,
				`{"policy":"b","set":["spec","containers",{"name":"app"},"image"],"value":"x"}`,
			},
			want: `{"spec":{"containers":[{"name":"log"},{"image":"x","name":"app"}]}}`,
		},

		{name: "set wins over default", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","set":["x"],"value":2}`}, want: `{"x":2}`},
		{name: "set above wins over default", object: `{}`, edits: []string{`{"policy":"a","default":["x","y"],"value":1}`, `{"policy":"b","set":["x"],"value":{"z":2}}`}, want: `{"x":{"z":2}}`},
		{
			name: "set above of another type does not", object: `{}`, edits: []string{`{"policy":"a","default":["x","y"],"value":1}`, `{"policy":"b","set":["x"],"value":2}`},
			clash: `the policies "b" and "a" contradict each other: one wants to set x, the other to default x.y`, field: "x.y",
		},
		{name: "set wins, so that defaults need not agree", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","set":["x"],"value":2}`, `{"policy":"c","default":["x"],"value":3}`}, want: `{"x":2}`},
		{name: "set below adds to default", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":{"y":1,"z":1}}`, `{"policy":"b","set":["x","y"],"value":2}`}, want: `{"x":{"y":2,"z":1}}`},
		{
			name: "set below a default of another type", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":"s"}`, `{"policy":"b","set":["x","y"],"value":2}`},
			clash: `the policies "a" and "b" contradict each other: one wants to default x, the other to set x.y`, field: "x.y",
		},
		{name: "defaults that agree", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","default":["x"],"value":1}`}, want: `{"x":1}`},
		{
			name: "defaults that do not", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","default":["x"],"value":2}`},
			clash: `the policies "a" and "b" contradict each other: both want to default x, with different values`, field: "x",
		},
		{name: "defaults that do not, where something is", object: `{"x":3}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","default":["x"],"value":2}`}, want: `{"x":3}`},
		{name: "defaults one in another", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":{"y":1}}`, `{"policy":"b","default":["x","z"],"value":2}`}, want: `{"x":{"y":1,"z":2}}`},
		{
			name: "defaults one in another that do not agree", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":{"y":1}}`, `{"policy":"b","default":["x","y"],"value":2}`},
			clash: `the policies "a" and "b" contradict each other: one wants to default x, the other to default x.y`, field: "x.y",
		},
		{
			name: "default and remove", object: `{"x":1}`, edits: []string{`{"policy":"a","default":["x"],"value":1}`, `{"policy":"b","remove":["x"]}`},
			clash: `the policies "b" and "a" contradict each other: one wants to remove x, the other to default x`, field: "x",
		},
		{
			name: "default above remove", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":{"y":1}}`, `{"policy":"b","remove":["x","y"]}`},
			clash: `the policies "a" and "b" contradict each other: one wants to default x, the other to remove x.y`, field: "x.y",
		},
		{
			name: "default above set and remove", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":{}}`, `{"policy":"b","set":["x","y"],"value":{"z":1}}`, `{"policy":"c","remove":["x","y","z"]}`},
			clash: `the policies "b" and "c" contradict each other: one wants to set x.y, the other to remove x.y.z`, field: "x.y.z",
		},
		{name: "default and append", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":1}`, `{"policy":"b","default":["x"],"value":[2]}`}, want: `{"x":[2,1]}`},
		{name: "default and append of what it has", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":1,"v":1},"key":"n"}`, `{"policy":"b","default":["x"],"value":[{"n":1}]}`}, want: `{"x":[{"n":1,"v":1}]}`},
		{
			name: "default of another type and append", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":1}`, `{"policy":"b","default":["x"],"value":"s"}`},
			clash: `the policies "b" and "a" contradict each other: one wants to default x, the other to append to x`, field: "x",
		},

		{name: "appends of different things", object: `{"x":[0]}`, edits: []string{`{"policy":"b","append":["x"],"value":1}`, `{"policy":"a","append":["x"],"value":2}`, `{"policy":"b","append":["x"],"value":0}`}, want: `{"x":[0,2,1]}`},
		{name: "appends of equal things", object: `{}`, edits: []string{`{"policy":"b","append":["x"],"value":{"n":1}}`, `{"policy":"a","append":["x"],"value":{"n":1},"key":"n"}`}, want: `{"x":[{"n":1}]}`},
		{
			name: "appends with one key", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"key":"n","value":{"n":1}}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":2}}`},
			clash: `the policies "a" and "b" contradict each other: both want to append to x, with different values`, field: "x",
		},
		{
			name: "appends with one key, of an element that is there", object: `{"x":[{"n":1}]}`, edits: []string{`{"policy":"a","append":["x"],"key":"n","value":{"n":1}}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":2}}`},
			clash: `the policies "a" and "b" contradict each other: both want to append to x, with different values`, field: "x",
		},
		{
			name: "an append with a key and one without", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":1}}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":2}}`},
			clash: `the policies "a" and "b" contradict each other: both want to append to x, with different values`, field: "x",
		},
		{
			name: "an append with a key and one without, of an element that is there", object: `{"x":[{"n":1}]}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":1,"v":1}}`, `{"policy":"b","append":["x"],"key":"n","value":{"n":1,"v":2}}`},
			clash: `the policies "a" and "b" contradict each other: both want to append to x, with different values`, field: "x",
		},
		{
			name: "append and remove", object: `{"x":[1]}`, edits: []string{`{"policy":"a","append":["x"],"value":2}`, `{"policy":"b","remove":["x"]}`},
			clash: `the policies "b" and "a" contradict each other: one wants to remove x, the other to append to x`, field: "x",
		},
		{
			name: "append and a set that makes an object", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":2}`, `{"policy":"b","set":["x","y"],"value":1}`},
			clash: `the policies "a" and "b" contradict each other: one wants to append to x, the other to set x.y`, field: "x.y",
		},
		{
			name: "append and remove of the same element", object: `{}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":"1"}}`, `{"policy":"b","remove":["x",{"n":"1"}]}`},
			clash: `the policies "a" and "b" contradict each other: one wants to append to x, the other to remove x[n="1"]`, field: "x",
		},
		{
			name: "append and remove of the same element, which is there", object: `{"x":[{"n":"1"}]}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":"1"}}`, `{"policy":"b","remove":["x",{"n":"1"}]}`},
			clash: `the policies "a" and "b" contradict each other: one wants to append to x, the other to remove x[n="1"]`, field: "x",
		},
		{name: "append and remove of different elements", object: `{"x":[{"n":"1"}]}`, edits: []string{`{"policy":"a","append":["x"],"value":{"n":"2"}}`, `{"policy":"b","remove":["x",{"n":"1"}]}`}, want: `{"x":[{"n":"2"}]}`},
		{
			name: "set of a list and remove of its element", object: `{}`, edits: []string{`{"policy":"a","set":["x"],"value":[{"n":"1"}]}`, `{"policy":"b","remove":["x",{"n":"1"}]}`},
			clash: `the policies "a" and "b" contradict each other: one wants to set x, the other to remove x[n="1"]`, field: "x",
		},
		{
			name: "default of a list and remove of its element", object: `{}`, edits: []string{`{"policy":"a","default":["x"],"value":[{"n":"1"}]}`, `{"policy":"b","remove":["x",{"n":"1"}]}`},
			clash: `the policies "a" and "b" contradict each other: one wants to default x, the other to remove x[n="1"]`, field: "x",
		},

		{name: "an edit of an element that is removed goes with it", object: app, edits: []string{
			`{"policy":"a","remove":["spec","containers",{"name":"app"}]}`, `{"policy":"b","set":["spec","containers",{"name":"app"},"image"],"value":"x"}`,
			`{"policy":"c","default":["spec","containers",1,"image"],"value":"y"}`,
		}, want: `{"spec":{"containers":[{"image":"y","name":"log"}]}}`},
		{name: "an edit of an element of a list that is removed goes with it", object: app, edits: []string{
			`{"policy":"a","remove":["spec","containers"]}`, `{"policy":"b","set":["spec","containers",{"name":"app"},"image"],"value":"x"}`,
		}, want: `{"spec":{}}`},
		{name: "several elements are removed", object: `{"x":[0,1,2,3]}`, edits: []string{
			`{"policy":"a","remove":["x",0]}`, `{"policy":"b","remove":["x",2]}`, `{"policy":"c","set":["x",3],"value":9}`, `{"policy":"d","append":["x"],"value":4}`,
		}, want: `{"x":[1,9,4]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range permutations(len(c.edits)) {
				obj := object(t, c.object)
				faults, findings, err := apply(t.Context(), obj, edits(t, c.edits...))
				if err != nil || len(faults) > 0 {
					t.Fatal(faults, err)
				}
				if c.clash != "" {
					if len(findings) != 1 || findings[0].Message != c.clash || findings[0].Field != c.field || findings[0].Effect != "deny" || findings[0].Fault {
						t.Errorf("%v: got %+v, want %s at %s", c.edits, findings, c.clash, c.field)
					}
				} else if got, want := spelt(t, obj), spelt(t, object(t, c.want)); len(findings) > 0 || got != want {
					t.Errorf("%v: got %s %v, want %s", c.edits, got, findings, want)
				}
				c.edits = slices.Concat(c.edits[1:], c.edits[:1])
				if len(c.edits) == 3 {
					c.edits[1], c.edits[2] = c.edits[2], c.edits[1]
				}
			}
		})
	}
}

// permutations is how often edits must be turned, and of three the last two swapped, to have seen enough orders.
func permutations(n int) int { return 2 * n }

// A pair of policies that clash in every container is told once.
func TestContradictionsAreToldOnce(t *testing.T) {
	_, findings, err := apply(t.Context(), object(t, `{"l":[{"k":"a"},{"k":"a"},{"k":"a"}]}`), edits(t,
		`{"policy":"a","set":["l",{"k":"a"},"v"],"value":1}`, `{"policy":"b","set":["l",{"k":"a"},"v"],"value":2}`, `{"policy":"c","set":["l",{"k":"a"},"v"],"value":3}`))
	if err != nil || len(findings) != 2 {
		t.Errorf("got %v %v", findings, err)
	}
}

// Policies may yield an edit for each element of an object, whose size is the user's choice.
func TestEditsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := apply(ctx, object(t, `{}`), edits(t, `{"set":["x"],"value":1}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
