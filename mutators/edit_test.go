package mutators

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

func TestEdits(t *testing.T) {
	const pod = `{"spec":{"containers":[{"name":"app","image":"a"},{"name":"log","env":[{"name":"X","value":"1"}]}],"hostname":null}}`
	for _, c := range []struct{ name, object, edit, want string }{
		{"set replaces", `{"spec":{"a":1}}`, `{"set":["spec","a"],"value":2}`, `{"spec":{"a":2}}`},
		{"set creates parents", `{}`, `{"set":["metadata","labels","a/b"],"value":"x"}`, `{"metadata":{"labels":{"a/b":"x"}}}`},
		{"set replaces a null parent", `{"spec":null}`, `{"set":["spec","a"],"value":2}`, `{"spec":{"a":2}}`},
		{"set replaces a value of another type", `{"spec":{"a":"x"}}`, `{"set":["spec","a"],"value":[1]}`, `{"spec":{"a":[1]}}`},
		{
			"set in the element that answers", pod, `{"set":["spec","containers",{"name":"log"},"image"],"value":"b"}`,
			`{"spec":{"containers":[{"name":"app","image":"a"},{"name":"log","env":[{"name":"X","value":"1"}],"image":"b"}],"hostname":null}}`,
		},
		{
			"set where only some elements have what the path leads through", `{"l":[{"k":"a","m":[{"k":"b"}]},{"k":"a"}]}`,
			`{"set":["l",{"k":"a"},"m",{"k":"b"},"v"],"value":2}`, `{"l":[{"k":"a","m":[{"k":"b","v":2}]},{"k":"a"}]}`,
		},
		{
			"set in all elements that answer", `{"l":[{"k":"a"},{"k":"a","v":1},{"k":"b"}]}`, `{"set":["l",{"k":"a"},"v"],"value":2}`,
			`{"l":[{"k":"a","v":2},{"k":"a","v":2},{"k":"b"}]}`,
		},
		{"set in a list of all kinds", `{"l":["a",1,{"k":1},{"k":"a"},null]}`, `{"set":["l",{"k":"a"},"v"],"value":2}`, `{"l":["a",1,{"k":1},{"k":"a","v":2},null]}`},
		{"set by position", `{"l":[1,2]}`, `{"set":["l",1],"value":3}`, `{"l":[1,3]}`},
		{"set a large integer", `{}`, `{"set":["n"],"value":9007199254740993}`, `{"n":9007199254740993}`},
		{"set a fraction", `{}`, `{"set":["n"],"value":{"m":[0.5]}}`, `{"n":{"m":[0.5]}}`},
		{"set an empty name", `{}`, `{"set":["a",""],"value":1}`, `{"a":{"":1}}`},

		{"default where nothing is", `{"spec":{}}`, `{"default":["spec","a"],"value":{"b":1}}`, `{"spec":{"a":{"b":1}}}`},
		{
			"default where a null is", pod, `{"default":["spec","hostname"],"value":"h"}`,
			`{"spec":{"containers":[{"name":"app","image":"a"},{"name":"log","env":[{"name":"X","value":"1"}]}],"hostname":"h"}}`,
		},
		{"default where something is", `{"spec":{"a":false}}`, `{"default":["spec","a"],"value":true}`, `{"spec":{"a":false}}`},
		{"default creates parents", `{}`, `{"default":["a","b"],"value":true}`, `{"a":{"b":true}}`},
		{
			"default in each element that lacks it", `{"l":[{"k":"a","v":1},{"k":"a"}]}`, `{"default":["l",{"k":"a"},"v"],"value":[2]}`,
			`{"l":[{"k":"a","v":1},{"k":"a","v":[2]}]}`,
		},

		{"remove a member", `{"spec":{"a":1,"b":2}}`, `{"remove":["spec","a"]}`, `{"spec":{"b":2}}`},
		{"remove nothing", `{"spec":{"b":2}}`, `{"remove":["spec","a"]}`, `{"spec":{"b":2}}`},
		{"remove below nothing", `{"spec":null}`, `{"remove":["spec","a","b"]}`, `{"spec":null}`},
		{"remove an element that is not there", pod, `{"remove":["spec","containers",{"name":"web"}]}`, pod},
		{"remove beyond the end", `{"l":[1]}`, `{"remove":["l",1]}`, `{"l":[1]}`},
		{"remove below an element that is not there", `{"l":null}`, `{"remove":["l",{"k":"a"},"v"]}`, `{"l":null}`},
		{"remove an element by position", `{"l":[1,2,3]}`, `{"remove":["l",1]}`, `{"l":[1,3]}`},
		{"remove all elements that answer", `{"l":[{"k":"a"},{"k":"b"},{"k":"a"}]}`, `{"remove":["l",{"k":"a"}]}`, `{"l":[{"k":"b"}]}`},
		{
			"remove an element of an element", pod, `{"remove":["spec","containers",{"name":"log"},"env",{"name":"X"}]}`,
			`{"spec":{"containers":[{"name":"app","image":"a"},{"name":"log","env":[]}],"hostname":null}}`,
		},

		{"append to a list", `{"l":[1]}`, `{"append":["l"],"value":2}`, `{"l":[1,2]}`},
		{"append makes the list", `{}`, `{"append":["spec","l"],"value":2}`, `{"spec":{"l":[2]}}`},
		{"append an equal element", `{"l":[{"a":1.0},2]}`, `{"append":["l"],"value":{"a":1}}`, `{"l":[{"a":1},2]}`},
		{"append by key", `{"l":[{"name":"x","v":1}]}`, `{"append":["l"],"key":"name","value":{"name":"y"}}`, `{"l":[{"name":"x","v":1},{"name":"y"}]}`},
		{
			"append by key completes", `{"l":[{"name":"x","v":1},{"name":"y"},"s"]}`, `{"append":["l"],"key":"name","value":{"name":"x","w":2}}`,
			`{"l":[{"name":"x","v":1,"w":2},{"name":"y"},"s"]}`,
		},
		{
			"append by key keeps what others have added",
			`{"l":[{"name":"x","pull":"Always","m":[{"n":1,"ro":true},{"n":2}],"r":{"a":1,"b":2}}]}`,
			`{"append":["l"],"key":"name","value":{"name":"x","m":[{"n":1}],"r":{"a":1}}}`,
			`{"l":[{"name":"x","pull":"Always","m":[{"n":1,"ro":true},{"n":2}],"r":{"a":1,"b":2}}]}`,
		},
		{
			"append by key corrects what is otherwise", `{"l":[{"name":"x","m":[{"n":2}],"r":1}]}`,
			`{"append":["l"],"key":"name","value":{"name":"x","m":[{"n":1}],"r":{"a":1}}}`, `{"l":[{"name":"x","m":[{"n":1}],"r":{"a":1}}]}`,
		},
		{"append by a key that is a number", `{"l":[{"port":80}]}`, `{"append":["l"],"key":"port","value":{"port":80,"name":"http"}}`, `{"l":[{"name":"http","port":80}]}`},
		{
			"append in an element", pod, `{"append":["spec","containers",{"name":"app"},"env"],"key":"name","value":{"name":"Y"}}`,
			`{"spec":{"containers":[{"name":"app","image":"a","env":[{"name":"Y"}]},{"name":"log","env":[{"name":"X","value":"1"}]}],"hostname":null}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj := object(t, c.object)
			for _, time := range []string{"first", "second"} {
				findings, _, err := apply(t.Context(), obj, edits(t, c.edit))
				if err != nil || len(findings) > 0 {
					t.Fatal(findings, err)
				}
				if got, want := spelt(t, obj), spelt(t, object(t, c.want)); got != want {
					t.Errorf("%s time: got %s, want %s", time, got, want)
				}
				if c.name == "remove an element by position" {
					break // the one edit that is not idempotent by itself; the chain would notice
				}
			}
		})
	}
}

func TestEditsThatCannotBeMade(t *testing.T) {
	const obj = `{"metadata":{"name":"n"},"spec":{"a":"text","n":5,"l":[1,"s",{"k":"v"}],"o":{"b":true}}}`
	for _, c := range []struct{ edit, want string }{
		{`{"set":["spec","a","b"],"value":1}`, `p: the edit to set spec.a.b cannot be made: spec.a is a string, not an object`},
		{`{"default":["spec","n","b","c"],"value":1}`, `p: the edit to default spec.n.b.c cannot be made: spec.n is a number, not an object`},
		{`{"remove":["spec","o","b","c"]}`, `p: the edit to remove spec.o.b.c cannot be made: spec.o.b is a boolean, not an object`},
		{`{"set":["spec","l","x"],"value":1}`, `p: the edit to set spec.l.x cannot be made: spec.l is a list, not an object`},
		{`{"set":["spec","o",0],"value":1}`, `p: the edit to set spec.o[0] cannot be made: spec.o is an object, not a list`},
		{`{"set":["spec","o",{"b":"c","a":"d"},"x"],"value":1}`, `p: the edit to set spec.o[a="d",b="c"].x cannot be made: spec.o is an object, not a list`},
		{`{"set":["spec","l",1,"x"],"value":1}`, `p: the edit to set spec.l[1].x cannot be made: spec.l[1] is a string, not an object`},
		{`{"append":["spec","a"],"value":1}`, `p: the edit to append to spec.a cannot be made: spec.a is a string, not a list`},
		{`{"append":["spec","l"],"key":"name","value":{"x":1}}`, `p: the edit to append to spec.l cannot be made: its value has no member "name", which its key names`},
		{`{"append":["spec","l"],"key":"name","value":"x"}`, `p: the edit to append to spec.l cannot be made: its value has no member "name", which its key names`},
		{`{"set":["spec","l",3],"value":1}`, `p: the edit to set spec.l[3] cannot be made: there is no spec.l[3]; what adds an element is append`},
		{`{"default":["spec","l",7,"x"],"value":1}`, `p: the edit to default spec.l[7].x cannot be made: there is no spec.l[7]; what adds an element is append`},
		{`{"append":["spec","l",{"k":"w"},"x"],"value":1}`, `p: the edit to append to spec.l[k="w"].x cannot be made: there is no spec.l[k="w"]; what adds an element is append`},
		{`{"set":["spec","l",{"k":"v","m":"w"},"x"],"value":1}`, `p: the edit to set spec.l[k="v",m="w"].x cannot be made: there is no spec.l[k="v",m="w"]; what adds an element is append`},
		{`{"set":["spec","l",{"k":"v"},"m",{"n":"o"},"x"],"value":1}`, `p: the edit to set spec.l[k="v"].m[n="o"].x cannot be made: there is no spec.l[k="v"].m[n="o"]; what adds an element is append`},
		{`{"set":["spec","none",0,"x"],"value":1}`, `p: the edit to set spec.none[0].x cannot be made: there is no spec.none[0]; what adds an element is append`},
		{`{"set":["spec","x"],"key":"name","value":"x"}`, `p: the edit to set spec.x cannot be made: only append takes a key`},
		{`{"set":["spec","x"]}`, `p: the edit to set spec.x cannot be made: it has no value; what takes a value away is remove`},
		{`{"remove":["spec","x"],"value":1}`, `p: the edit to remove spec.x cannot be made: remove takes no value`},
		{`{"replace":["spec","x"],"value":1}`, `p: the edit to replace spec.x cannot be made: "replace" is no operation; there are set, default, remove and append`},
		{`{"set":["spec","l",{},"x"],"value":1}`, `p: the edit to set spec.l[].x cannot be made: a segment of its path says nothing about the element it means`},
		{`{"set":["spec","x"],"value":1e999}`, `p: the edit to set spec.x cannot be made: a number is out of range`},

		{`{"set":[],"value":{}}`, `p: the edit to set the object cannot be made: it holds apiVersion, which no policy may change`},
		{`{"set":["metadata"],"value":{}}`, `p: the edit to set metadata cannot be made: it holds metadata.name, which no policy may change`},
		{`{"remove":["metadata"]}`, `p: the edit to remove metadata cannot be made: it holds metadata.name, which no policy may change`},
		{`{"default":["metadata"],"value":{"labels":{}}}`, `p: the edit to default metadata cannot be made: it holds metadata.name, which no policy may change`},
		{`{"set":["apiVersion"],"value":"v2"}`, `p: the edit to set apiVersion cannot be made: no policy may change apiVersion`},
		{`{"set":["kind"],"value":"Pod"}`, `p: the edit to set kind cannot be made: no policy may change kind`},
		{`{"set":["status"],"value":{}}`, `p: the edit to set status cannot be made: no policy may change status`},
		{`{"append":["status","conditions"],"value":{}}`, `p: the edit to append to status.conditions cannot be made: no policy may change status`},
		{`{"set":["metadata","name"],"value":"n"}`, `p: the edit to set metadata.name cannot be made: no policy may change metadata.name`},
		{`{"set":["metadata","generateName"],"value":"n"}`, `p: the edit to set metadata.generateName cannot be made: no policy may change metadata.generateName`},
		{`{"set":["metadata","namespace"],"value":"n"}`, `p: the edit to set metadata.namespace cannot be made: no policy may change metadata.namespace`},
		{`{"remove":["metadata","uid"]}`, `p: the edit to remove metadata.uid cannot be made: no policy may change metadata.uid`},
		{`{"remove":["metadata","resourceVersion"]}`, `p: the edit to remove metadata.resourceVersion cannot be made: no policy may change metadata.resourceVersion`},
		{`{"set":["metadata","generation"],"value":1}`, `p: the edit to set metadata.generation cannot be made: no policy may change metadata.generation`},
		{`{"remove":["metadata","managedFields",0]}`, `p: the edit to remove metadata.managedFields[0] cannot be made: no policy may change metadata.managedFields`},
		{`{"set":["metadata","creationTimestamp"],"value":"n"}`, `p: the edit to set metadata.creationTimestamp cannot be made: no policy may change metadata.creationTimestamp`},
		{`{"remove":["metadata","deletionTimestamp"]}`, `p: the edit to remove metadata.deletionTimestamp cannot be made: no policy may change metadata.deletionTimestamp`},
		{`{"set":["metadata","deletionGracePeriodSeconds"],"value":0}`, `p: the edit to set metadata.deletionGracePeriodSeconds cannot be made: no policy may change metadata.deletionGracePeriodSeconds`},
		{`{"set":["metadata","selfLink"],"value":"n"}`, `p: the edit to set metadata.selfLink cannot be made: no policy may change metadata.selfLink`},
	} {
		findings, _, err := apply(t.Context(), object(t, obj), edits(t, c.edit))
		if err != nil || len(findings) != 1 || findings[0].String() != c.want || !findings[0].Fault {
			t.Errorf("%s:\n got %v %v\nwant %s", c.edit, err, findings, c.want)
		}
	}
}

// An edit shares its value with whoever decided on it, and with other places it is made in.
func TestEditsDoNotShareTheirValues(t *testing.T) {
	obj := object(t, `{"l":[{"k":"a"},{"k":"a"}]}`)
	given := edits(t, `{"set":["l",{"k":"a"},"v"],"value":{"x":[1]}}`)
	if _, _, err := apply(t.Context(), obj, given); err != nil {
		t.Fatal(err)
	}
	obj["l"].([]any)[0].(map[string]any)["v"].(map[string]any)["x"].([]any)[0] = "changed"
	if got, want := spelt(t, obj), `{"l":[{"k":"a","v":{"x":["changed"]}},{"k":"a","v":{"x":[1]}}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := spelt(t, given[0].Value), `{"x":[1]}`; got != want {
		t.Errorf("the decision's value became %s", got)
	}
}

func TestPutReplacesNothingOnItsWay(t *testing.T) {
	for _, at := range []location{
		{{name: "s"}, {name: "x"}},
		{{name: "l"}, {name: "x"}},
		{{name: "l"}, {element: true, index: 1}},
		{{name: "l"}, {element: true, index: 0}, {name: "x"}},
		{{name: "s"}, {element: true, index: 0}},
	} {
		obj := object(t, `{"s":"text","l":[1]}`)
		if _, err := put(obj, at, "v"); err == nil || !strings.Contains(err.Error(), "should stand here, not") || spelt(t, obj) != `{"l":[1],"s":"text"}` {
			t.Errorf("%s: got %s %v", at, spelt(t, obj), err)
		}
		if err := take(obj, at); err != nil || spelt(t, obj) != `{"l":[1],"s":"text"}` {
			t.Errorf("%s: got %s %v", at, spelt(t, obj), err)
		}
	}
}

func TestPathsAreSpeltForPeople(t *testing.T) {
	for text, want := range map[string]string{
		`["spec","containers",{"name":"a\nb"},0,"env"]`: `spec.containers[name="a\nb"][0].env`,
		`["metadata","labels","example.com/team"]`:      `metadata.labels["example.com/team"]`,
		`["",""]`: `[""][""]`,
		`[]`:      `the object`,
	} {
		if got := spell(path(t, text)); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	long := []review.Segment{{Name: string(make([]byte, 1<<20))}}
	if got := spell(long); len(got) > maxSpelled {
		t.Errorf("%d bytes", len(got))
	}
}
