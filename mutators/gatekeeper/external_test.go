package gatekeeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/review"
)

// oracle is a Provider: it says of a key what stands behind it, and of others, but for "unknown", the key with an exclamation mark. It notes
// what it was asked.
type oracle struct {
	says map[string]ExternalItem
	err  error

	mu    sync.Mutex
	asked []string
}

func (o *oracle) ask(_ context.Context, provider string, keys []string) (map[string]ExternalItem, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	keys = slices.Sorted(slices.Values(keys))
	o.asked = append(o.asked, provider+" "+strings.Join(keys, ","))
	if o.err != nil {
		return nil, o.err
	}
	out := map[string]ExternalItem{"what nobody asked": {Value: "x"}}
	for _, key := range keys {
		if key != "unknown" {
			out[key] = ExternalItem{Value: key + "!"}
		}
	}
	maps.Copy(out, o.says)
	return out, nil
}

// applyAll makes of an object what a Set of the mutators makes of it that asks o.
func applyAll(t testing.TB, o *oracle, object string, specs ...string) string {
	t.Helper()
	var list []*Mutator
	for i, text := range specs {
		kind, text, _ := strings.Cut(text, " ")
		list = append(list, mutator(t, spec(kind, fmt.Sprintf("m%d", i), text)))
	}
	set, errs := NewSet(list)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	req, obj := create(), thing(t, object)
	req.User.Username = "jane"
	if o != nil {
		set = set.Asking(o.ask)
	}
	if err := set.Mutate(t.Context(), req, obj); err != nil {
		return err.Error()
	}
	return rest(t, obj)
}

func TestExternalData(t *testing.T) {
	const (
		at  = `Assign location: spec.a, parameters: {assign: {externalData: {provider: p}}}`
		all = `Assign location: 'spec.c[name: *].x', parameters: {assign: {externalData: {provider: p}}}`
	)
	with := func(spec, more string) string { return strings.Replace(spec, "provider: p", "provider: p, "+more, 1) }
	for _, c := range []struct {
		name, object string
		specs        []string
		want, asked  string
	}{
		{"what stands there is asked about", `spec: {a: b}`, []string{at}, `{"spec":{"a":"b!"}}`, "p b"},
		{"nothing is an empty key", `{}`, []string{at}, `{"spec":{"a":"!"}}`, "p "},
		{"who sends it", `spec: {a: b}`, []string{with(at, "dataSource: Username")}, `{"spec":{"a":"jane!"}}`, "p jane"},
		{
			"a label", `{}`,
			[]string{`AssignMetadata location: metadata.labels.a, parameters: {assign: {externalData: {provider: p, dataSource: Username}}}`},
			`{"metadata":{"labels":{"a":"jane!"}}}`, "p jane",
		},
		{
			"a label that is there", `metadata: {name: n, labels: {a: b}}`,
			[]string{`AssignMetadata location: metadata.labels.a, parameters: {assign: {externalData: {provider: p}}}`},
			`{"metadata":{"labels":{"a":"b"}}}`, "",
		},
		{
			"many places are one call", `spec: {a: one, c: [{name: a, x: one}, {name: b, x: two}, {name: c, x: one}]}`,
			[]string{at, all},
			`{"spec":{"a":"one!","c":[{"name":"a","x":"one!"},{"name":"b","x":"two!"},{"name":"c","x":"one!"}]}}`, "p one,two",
		},
		{
			"each Provider is called once", `spec: {a: one, c: [{name: a, x: two}]}`,
			[]string{at, strings.Replace(all, "provider: p", "provider: q", 1)},
			`{"spec":{"a":"one!","c":[{"name":"a","x":"two!"}]}}`, "p one|q two",
		},
		{
			"the answer to another key is asked about", `spec: {c: [{name: a, x: one}, {name: b, x: one!}]}`,
			[]string{all},
			`{"spec":{"c":[{"name":"a","x":"one!"},{"name":"b","x":"one!!"}]}}`, "p one,one!",
		},
		{
			"the last of two has the word, about what was there", `spec: {a: b}`,
			[]string{at, strings.Replace(at, "provider: p", "provider: q", 1)},
			`{"spec":{"a":"b!"}}`, "q b",
		},
		{"what overrules it", `spec: {a: b}`, []string{at, `Assign location: spec.a, parameters: {assign: {value: c}}`}, `{"spec":{"a":"c"}}`, ""},
		{"a path test", `{}`, []string{strings.Replace(at, "parameters: {", "parameters: {pathTests: [{subPath: spec, condition: MustExist}], ", 1)}, `{}`, ""},

		{"it says nothing: fail", `spec: {a: unknown}`, []string{at}, `Assign/m0 cannot be applied: spec.a: the Provider p says nothing of what it was asked for`, "p unknown"},
		{"the same, in words", `spec: {a: unknown}`, []string{with(at, "failurePolicy: Fail")}, `Assign/m0 cannot be applied: spec.a: the Provider p says nothing of what it was asked for`, "p unknown"},
		{"ignore", `spec: {a: unknown}`, []string{with(at, "failurePolicy: Ignore")}, `{"spec":{"a":"unknown"}}`, "p unknown"},
		{"ignore what of a user nobody knows", `spec: {a: b}`, []string{strings.Replace(with(at, "failurePolicy: Ignore, dataSource: Username"), "provider: p", "provider: faulty", 1)}, `{"spec":{"a":"b"}}`, "faulty jane"},
		{"ignore, and there was nothing", `spec: {b: 1}`, []string{strings.Replace(with(at, "failurePolicy: Ignore"), "provider: p", "provider: faulty", 1)}, `{"spec":{"b":1}}`, "faulty "},
		{"use the default", `spec: {a: unknown}`, []string{with(at, "failurePolicy: UseDefault, default: d")}, `{"spec":{"a":"d"}}`, "p unknown"},
		{"the default is not for an answer", `spec: {a: b}`, []string{with(at, "failurePolicy: UseDefault, default: d")}, `{"spec":{"a":"b!"}}`, "p b"},
		{
			"one of several", `spec: {c: [{name: a, x: unknown}, {name: b, x: b}]}`,
			[]string{with(all, "failurePolicy: Ignore")},
			`{"spec":{"c":[{"name":"a","x":"unknown"},{"name":"b","x":"b!"}]}}`, "p b,unknown",
		},
		{"an error of the key", `spec: {a: bad}`, []string{at}, `Assign/m0 cannot be applied: spec.a: no such image`, "p bad"},
		{"no text", `spec: {a: number}`, []string{at}, `Assign/m0 cannot be applied: spec.a: the Provider p says a number, where a string is to stand`, "p number"},
		{"null", `spec: {a: nil}`, []string{with(at, "failurePolicy: UseDefault, default: d")}, `{"spec":{"a":"d"}}`, "p nil"},

		{"no text stands there", `spec: {a: 1}`, []string{at}, `Assign/m0 cannot be applied: spec.a is a number, not a string, of which a Provider could be asked`, ""},
		{
			"changed meanwhile", `spec: {a: b}`,
			[]string{at, `AssignImage location: spec.a, parameters: {assignTag: ":v1"}`},
			`Assign/m0 cannot be applied: spec.a is what a Provider is to say, and another mutator would change it; let one of them alone set it`, "",
		},
		{
			"changed where it is not looked at again", `spec: {}`,
			[]string{strings.Replace(at, "parameters: {", "parameters: {pathTests: [{subPath: spec.a, condition: MustNotExist}], ", 1), `AssignImage location: spec.a, parameters: {assignTag: ":v1"}`},
			`a is what a Provider is to say, and another mutator would change it; let one of them alone set it`, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &oracle{says: map[string]ExternalItem{"bad": {Err: errors.New("no such image")}, "number": {Value: json.Number("1")}, "nil": {}}}
			ask := func(ctx context.Context, provider string, keys []string) (map[string]ExternalItem, error) {
				items, err := o.ask(ctx, provider, keys)
				if provider == "faulty" {
					return nil, errors.New("it is away")
				}
				return items, err
			}
			got := applyAll(t, &oracle{}, "{}") // nothing to do, nobody asked
			if got != "{}" {
				t.Errorf("got %s", got)
			}
			var list []*Mutator
			for i, text := range c.specs {
				kind, text, _ := strings.Cut(text, " ")
				list = append(list, mutator(t, spec(kind, fmt.Sprintf("m%d", i), text)))
			}
			set, _ := NewSet(list)
			req, obj := create(), thing(t, c.object)
			req.User.Username = "jane"
			if err := set.Asking(ask).Mutate(t.Context(), req, obj); err != nil {
				got = err.Error()
			} else {
				got = rest(t, obj)
			}
			slices.Sort(o.asked)
			if asked := strings.Join(o.asked, "|"); got != c.want || asked != c.asked {
				t.Errorf("\n got %s, asked %q\nwant %s, asked %q", got, asked, c.want, c.asked)
			}
		})
	}
}

func TestNobodyToAsk(t *testing.T) {
	const at = `Assign location: spec.a, parameters: {assign: {externalData: {provider: p}}}`
	if got := applyAll(t, nil, `spec: {a: b}`, at); got != "Assign/m0 cannot be applied: spec.a: there is no Provider" {
		t.Errorf("got %s", got)
	}
	if got := applyAll(t, &oracle{err: errors.New("the Provider p is away")}, `spec: {a: b}`, at); got != "Assign/m0 cannot be applied: spec.a: the Provider p is away" {
		t.Errorf("got %s", got)
	}
	_, at1, _ := strings.Cut(at, " ")
	m, obj := mutator(t, spec("Assign", "m", at1)), thing(t, `spec: {a: b}`)
	if err := m.Mutate(t.Context(), create(), obj); err == nil || m.Provider() != "p" {
		t.Errorf("%v, of %q", err, m.Provider())
	}
	if p := mutator(t, spec("Assign", "m", `location: spec.a, parameters: {assign: {value: 1}}`)).Provider(); p != "" {
		t.Errorf("of %q", p)
	}
}

// What a Provider says at many places is not more than could be stored.
func TestExternalDataIsBounded(t *testing.T) {
	large := &oracle{says: map[string]ExternalItem{"a": {Value: strings.Repeat("x", 1<<20)}}}
	object := `spec: {c: [` + strings.TrimSuffix(strings.Repeat(`{x: a}, `, 9), ", ") + `]}`
	got := applyAll(t, large, object, `Assign location: 'spec.c[name: *].x', parameters: {assign: {externalData: {provider: p}}}`)
	if want := "Assign/m0 cannot be applied: it would write more than 8 MiB into the object, which could not be stored then"; got != want {
		t.Errorf("got %.100s", got)
	}
}

// A chain applies its mutators again and again: what a Provider says is not asked about again, however it differs from what it was asked, and
// nobody who answered or failed to is asked twice. A user who knows how placeholders look has none resolved.
func TestExternalDataInAChain(t *testing.T) {
	set, errs := NewSet([]*Mutator{
		mutator(t, spec("Assign", "a", `location: 'spec.c[name: *].x', parameters: {assign: {externalData: {provider: p, failurePolicy: Ignore}}}`)),
		mutator(t, spec("Assign", "b", `location: spec.by, parameters: {assign: {externalData: {provider: p, dataSource: Username}}}`)),
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	rapid.Check(t, func(r *rapid.T) {
		var elements []any
		for _, x := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a!", "a!!", "unknown", "jane!", "\x00/0", "\x000"}), 0, 5).Draw(r, "x") {
			elements = append(elements, map[string]any{"x": x})
		}
		object, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "n"}, "spec": map[string]any{"c": elements},
		})
		if err != nil {
			r.Fatal(err)
		}
		req, _, err := review.DialectMutate(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","name":"n",
			"operation":"CREATE","kind":{"group":"","version":"v1","kind":"Thing"},"resource":{"group":"","version":"v1","resource":"things"},
			"userInfo":{"username":"jane"},"object":%s}}`, object))
		if err != nil {
			r.Fatal(err)
		}
		o := &oracle{}
		// A link that changes something in the second run, so that there is a third.
		late := mutators.Func("late", lateLink())
		d, err := mutators.Chain{set.Asking(o.ask), late}.Review(t.Context(), req)
		if err != nil || d.Verdict != review.Allow {
			r.Fatalf("%+v, %v", d, err)
		}
		var want []string
		for _, e := range elements {
			if x := e.(map[string]any)["x"].(string); x != "unknown" {
				want = append(want, x+"!")
			}
		}
		for _, value := range append(want, "jane!") {
			if spelled, _ := json.Marshal(value); !strings.Contains(string(d.Patch), string(spelled)) {
				r.Fatalf("%s has not %s", d.Patch, spelled)
			}
		}
		if strings.Contains(string(d.Patch), "!!!!") {
			r.Fatalf("an answer was asked about: %s", d.Patch)
		}
		if len(o.asked) != 1 {
			r.Fatalf("asked %q", o.asked)
		}
	})
}

// lateLink changes the object in the first run and, differently, in the second.
func lateLink() func(context.Context, *review.Request, *unstructured.Unstructured) error {
	return func(_ context.Context, _ *review.Request, obj *unstructured.Unstructured) error {
		spec, _ := obj.Object["spec"].(map[string]any)
		if runs, _ := spec["runs"].(int64); runs < 2 {
			spec["runs"] = runs + 1
		}
		return nil
	}
}
