package inventory

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"
)

// path reads "spec.rules[].host".
func path(text string) []Step {
	if text == "" {
		return nil
	}
	var out []Step
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.ReplaceAll(text, "[]", ".[]"), "."), ".") {
		out = append(out, Step{Name: part, Any: part == "[]"})
	}
	for i := range out {
		if out[i].Any {
			out[i].Name = ""
		}
	}
	return out
}

func fieldsOf(paths ...string) *Fields {
	f := &Fields{}
	for _, p := range paths {
		p, touch := strings.CutPrefix(p, "?")
		f.Add(path(p), !touch)
	}
	return f
}

const ingress = `{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"shop","generation":3,
	"labels":{"app":"web","tier":"front"},"managedFields":[{"manager":"kubectl"}],
	"annotations":{"a":"b","kubectl.kubernetes.io/last-applied-configuration":"{}"}},
	"spec":{"rules":[{"host":"a.example.com","http":{"paths":[]}},{"http":{}}],"tls":null,"weight":0.5}}`

func built(t testing.TB, f *Fields, text string) string {
	t.Helper()
	var object map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		t.Fatal(err)
	}
	value, err := NewBuilder("pods", f).Build(object)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(value.String(), " ", "")
}

func TestWhatIsKeptOfAnObject(t *testing.T) {
	for _, c := range []struct {
		fields     []string
		want, said string
	}{
		{nil, `{}`, "nothing but the names"},
		{[]string{"spec.rules[].host"}, `{"spec":{"rules":[{"host":"a.example.com"},{}]}}`, "spec.rules[].host"},
		{[]string{"?spec.rules[]"}, `{"spec":{"rules":[{},{}]}}`, "(spec.rules[])"},
		{[]string{"?spec.rules"}, `{"spec":{"rules":[]}}`, "(spec.rules)"},
		{[]string{"?spec.weight", "spec.tls"}, `{"spec":{"tls":null,"weight":0.5}}`, "spec.tls, (spec.weight)"},
		{[]string{"metadata.labels[]"}, `{"metadata":{"labels":{"app":"web","tier":"front"}}}`, "metadata.labels[]"},
		{[]string{"metadata.labels.app"}, `{"metadata":{"labels":{"app":"web"}}}`, "metadata.labels.app"},
		{[]string{"metadata.annotations"}, `{"metadata":{"annotations":{"a":"b"}}}`, "metadata.annotations"},
		{[]string{"metadata[].app"}, `{"metadata":{"annotations":{},"generation":3,"labels":{"app":"web"},"name":"web","namespace":"shop"}}`, "metadata[].app"},
		{[]string{"metadata.managedFields[].manager", "metadata.name"}, `{"metadata":{"managedFields":[{"manager":"kubectl"}],"name":"web"}}`, ""},
		{[]string{"spec", "spec.rules[].host"}, `{"spec":{"rules":[{"host":"a.example.com","http":{"paths":[]}},{"http":{}}],"tls":null,"weight":0.5}}`, "spec"},
	} {
		f := fieldsOf(c.fields...)
		if got := built(t, f, ingress); got != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.fields, got, c.want)
		}
		if c.said != "" && f.String() != c.said {
			t.Errorf("%v: it says %s, want %s", c.fields, f, c.said)
		}
	}
}

func TestOfTheWholeAllIsKeptButTheBookkeeping(t *testing.T) {
	all := built(t, fieldsOf(""), ingress)
	if strings.Contains(all, "managedFields") || strings.Contains(all, "last-applied") || !strings.Contains(all, `"weight":0.5`) {
		t.Errorf("got %s", all)
	}
	named := fieldsOf("", "metadata.managedFields[].manager")
	named.Add([]Step{{Name: "metadata"}, {Name: "annotations"}, {Name: lastApplied}}, true)
	if all := built(t, named, ingress); !strings.Contains(all, `"managedFields":[{"manager":"kubectl"}]`) || !strings.Contains(all, "last-applied") {
		t.Errorf("what is named is left out: %s", all)
	}
}

func TestFieldsOfObjectsLieBelowTheirNames(t *testing.T) {
	read := fieldsOf("[][].spec.host", "shop.web.metadata.labels")
	if got := read.Of(true).String(); got != "metadata.labels, spec.host" {
		t.Errorf("with namespaces: %s", got)
	}
	if got := read.Of(false).String(); got != "[].spec.host, web.metadata.labels, web.spec.host" {
		t.Errorf("without: %s", got)
	}
	if !fieldsOf("shop").Of(true).whole || fieldsOf("?shop").Of(true).whole {
		t.Error("a whole namespace is whole objects, and one that is merely there is not")
	}
	if !fieldsOf("metadata.name").OnlyMetadata() || fieldsOf("metadata.name", "spec").OnlyMetadata() || fieldsOf("").OnlyMetadata() || fieldsOf("[].name").OnlyMetadata() {
		t.Error("only metadata")
	}
}

// lookup follows a path in every way it can be followed, and collects what is there.
func lookup(value ast.Value, path []Step, found *[]string, at string) {
	if len(path) == 0 {
		*found = append(*found, at+"="+value.String())
		return
	}
	switch v := value.(type) {
	case ast.Object:
		v.Foreach(func(k, member *ast.Term) {
			if path[0].Any || k.Equal(ast.StringTerm(path[0].Name)) {
				lookup(member.Value, path[1:], found, at+"/"+k.String())
			}
		})
	case *ast.Array:
		if path[0].Any {
			for i := range v.Len() {
				lookup(v.Elem(i).Value, path[1:], found, at+"/"+ast.InternedTerm(i).String())
			}
		}
	}
}

// Whoever reads a path that was asked for sees in the pruned object what is in the whole one; and what covers it says so.
func TestPruningLosesNothingThatIsRead(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "metadata", "spec"})
	var document func(depth int) *rapid.Generator[any]
	document = func(depth int) *rapid.Generator[any] {
		scalar := rapid.OneOf(rapid.Just[any]("text"), rapid.Just[any](false), rapid.Just[any](nil), rapid.Just[any](int64(7)))
		if depth == 0 {
			return scalar
		}
		below := rapid.Deferred(func() *rapid.Generator[any] { return document(depth - 1) })
		return rapid.OneOf(scalar,
			rapid.Map(rapid.SliceOfN(below, 0, 3), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(name, below, 0, 4), func(m map[string]any) any { return m }))
	}
	step := rapid.Custom(func(t *rapid.T) Step {
		if rapid.Bool().Draw(t, "any") {
			return Step{Any: true}
		}
		return Step{Name: name.Draw(t, "name")}
	})
	type read struct {
		path  []Step
		whole bool
	}
	reads := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) read {
		return read{rapid.SliceOfN(step, 1, 4).Draw(t, "path"), rapid.Bool().Draw(t, "whole")}
	}), 1, 5)
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.MapOfN(name, document(4), 0, 4).Draw(t, "object")
		asked := reads.Draw(t, "reads")
		f := &Fields{}
		for _, r := range asked {
			f.Add(r.path, r.whole)
		}
		all, err := NewBuilder("pods", &Fields{whole: true}).Build(object)
		if err != nil {
			t.Fatal(err)
		}
		pruned, err := NewBuilder("pods", f).Build(object)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range asked {
			var want, got []string
			lookup(all, r.path, &want, "")
			lookup(pruned, r.path, &got, "")
			if !r.whole { // only what is there counts, not what it looks like
				want, got = placesOf(want), placesOf(got)
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Fatalf("%v of %v is %v, want %v", r, object, got, want)
			}
			one := &Fields{}
			if one.Add(r.path, r.whole); !f.Covers(one) {
				t.Fatalf("%s does not cover %s", f, one)
			}
		}
		copied := &Fields{}
		copied.Merge(f)
		if copied.String() != f.String() || !copied.Covers(f) || !f.Covers(copied) {
			t.Fatalf("%s merged is %s", f, copied)
		}
	})
}

func placesOf(found []string) []string {
	out := make([]string, len(found))
	for i, one := range found {
		out[i], _, _ = strings.Cut(one, "=")
	}
	return out
}

func TestParseKind(t *testing.T) {
	for _, good := range []string{"pods", "ingresses.networking.k8s.io", "widgets.example.com"} {
		if kind, err := ParseKind(good); err != nil || string(kind) != good {
			t.Errorf("%q: %v %v", good, kind, err)
		}
	}
	for _, bad := range []string{"", "Pods", "pods/exec", "pods.", ".apps", "*", "apps/*", "pods v1"} {
		_, err := ParseKind(bad)
		if want := `"` + bad + `" is not a kind of objects; write its plural, and its group unless that is the core group, such as "pods" or "ingresses.networking.k8s.io"`; err == nil || err.Error() != want {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
