package gatekeeper

import (
	"reflect"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	name := func(name string) node { return node{name: name} }
	for _, c := range []struct {
		text string
		want path
	}{
		{"", nil},
		{" \t\r\n", nil},
		{"spec", path{name("spec")}},
		{"spec.replicas", path{name("spec"), name("replicas")}},
		{" spec\t.\nreplicas\r", path{name("spec"), name("replicas")}},
		{"_-a1.-9", path{name("_-a1"), name("-9")}},
		{`metadata.labels."example.com/team"`, path{name("metadata"), name("labels"), name("example.com/team")}},
		{`'a.b'.c`, path{name("a.b"), name("c")}},
		{`a."".b`, path{name("a"), name(""), name("b")}},
		{`"it's".'say "x"'`, path{name("it's"), name(`say "x"`)}},
		{`"a\"b\\c\d"`, path{name(`a"b\cd`)}},
		{`"8080"`, path{name("8080")}},
		{"\"two\nrows\"", path{name("two\nrows")}},
		{`"größe"`, path{name("größe")}},
		{"c[name: app]", path{name("c"), {name: "name", list: true, key: "app"}}},
		{"c[name:app].image", path{name("c"), {name: "name", list: true, key: "app"}, name("image")}},
		{"c [ name : app ] . image", path{name("c"), {name: "name", list: true, key: "app"}, name("image")}},
		{`c["my key": 'a b']`, path{name("c"), {name: "my key", list: true, key: "a b"}}},
		{`c["": ""]`, path{name("c"), {name: "", list: true, key: ""}}},
		{"c[name: *].image", path{name("c"), {name: "name", list: true, every: true}, name("image")}},
		{`c[name: "*"].image`, path{name("c"), {name: "name", list: true, key: "*"}, name("image")}},
		{"c[port: 8080]", path{name("c"), {name: "port", list: true, key: int64(8080)}}},
		{"c[port: 08]", path{name("c"), {name: "port", list: true, key: int64(8)}}},
		{`c[port: "8080"]`, path{name("c"), {name: "port", list: true, key: "8080"}}},
		{"c[port: -1]", path{name("c"), {name: "port", list: true, key: "-1"}}}, // a name, since numbers have no sign
		{"c[port: 9223372036854775807]", path{name("c"), {name: "port", list: true, key: int64(1<<63 - 1)}}},
		{"a[b: c].d[e: *]", path{name("a"), {name: "b", list: true, key: "c"}, name("d"), {name: "e", list: true, every: true}}},
	} {
		got, err := parsePath(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", c.text, got, err, c.want)
		}
		if again, err := parsePath(got.String()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s is spelt %s, which is read as %#v, %v", c.text, got, again, err)
		}
	}
}

func TestNoPath(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{".spec", `column 1: a name should stand here, not "."`},
		{"spec.", `column 6: a name should stand here, not the end of the path`},
		{"a..b", `column 3: a name should stand here, not "."`},
		{"a b", `column 3: a dot, or the path's end, should stand here, not "b"`},
		{"a\"b\"", `column 2: a dot, or the path's end, should stand here, not "b"`},
		{"*", `column 1: a name should stand here, not "*"`},
		{"a.*", `column 3: a name should stand here, not "*"`},
		{":", `column 1: a name should stand here, not ":"`},
		{"][", `column 1: a name should stand here, not "]"`},
		{"a/b", `column 2: a dot, or the path's end, should stand here, not "/"`},
		{"ä", `column 1: a name should stand here, not "ä"`},
		{"8080", `column 1: a name should stand here, not "8080"; what begins with a digit is quoted where a name should stand`},
		{"a.8b", `column 3: a name should stand here, not "8"; what begins with a digit is quoted where a name should stand`},
		{`"ä".'open`, `column 5: a name should stand here, not a quotation without an end`},
		{`"open\"`, `column 1: a name should stand here, not a quotation without an end`},
		{"[name: a]", `column 1: a name should stand here, not "["`},
		{"a.[name: b]", `column 3: a name should stand here, not "["`},
		{"a[name: b][name: c]", `column 11: a dot, or the path's end, should stand here, not "["`},
		{"a[", `column 3: the name of a list's key should stand here, not the end of the path`},
		{"a[]", `column 3: the name of a list's key should stand here, not "]"`},
		{"a[*]", `column 3: the name of a list's key should stand here, not "*"`},
		{"a[0]", `column 3: the name of a list's key should stand here, not "0"; what begins with a digit is quoted where a name should stand`},
		{"a[:b]", `column 3: the name of a list's key should stand here, not ":"`},
		{"a[b]", `column 4: ":" and the key's value should stand here, not "]"`},
		{"a[my key: b]", `column 6: ":" and the key's value should stand here, not "key"`},
		{"a[b: ]", `column 6: the key's value, or "*", should stand here, not "]"`},
		{"a[b: c d]", `column 8: "]" should stand here, not "d"`},
		{"a[b: 0x1A]", `column 7: "]" should stand here, not "x1A"`},
		{"a[b: 3.14]", `column 7: "]" should stand here, not "."`},
		{"a[b: **]", `column 7: "]" should stand here, not "*"`},
		{"a[b: 9223372036854775808]", `column 6: the number is too large`},
		{"a\xff", `the path is not UTF-8`},
		{strings.Repeat("a", 4097), `a path has at most 4096 bytes, this one has 4097`},
		{"a" + strings.Repeat(".a", 64), `a path has at most 64 steps`},
	} {
		if got, err := parsePath(c.text); err == nil || err.Error() != c.want || got != nil {
			t.Errorf("%s:\n got %v, %v\nwant %s", c.text, got, err, c.want)
		}
	}
	if p, err := parsePath("a" + strings.Repeat(".a", 63)); err != nil || len(p) != 64 {
		t.Errorf("64 steps: %v", err)
	}
}

// FuzzPath reads any text: what is a path is spelt so that it is read as the same path again.
func FuzzPath(f *testing.F) {
	for _, text := range []string{"", "spec.containers[name: *].image", `a."b\"c"['d': "*"]`, "a[b: 8080].c", "a[b", "a..b", "'", "ä", `"\`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		spelt := p.String()
		if len(spelt) > maxPath { // quotes may be more than there were
			return
		}
		if again, err := parsePath(spelt); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%q is spelt %q, which is read as %#v, %v", text, spelt, again, err)
		}
		for i := range p {
			if !p[:i].begins(p) {
				t.Errorf("%s does not begin %s", p[:i], p)
			}
		}
	})
}
