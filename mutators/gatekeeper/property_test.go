package gatekeeper

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// The mutators below lead along few names, so that they meet often, and contradict each other.

func anyLocation() *rapid.Generator[path] {
	return rapid.Custom(func(t *rapid.T) path {
		out := path{{name: "spec"}}
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			out = append(out, node{name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")})
			switch rapid.IntRange(0, 4).Draw(t, "list") {
			case 0:
				out = append(out, node{name: "k", list: true, every: true})
			case 1:
				out = append(out, node{name: "k", list: true, key: rapid.SampledFrom([]any{"x", "y", int64(1)}).Draw(t, "key")})
			}
		}
		return out
	})
}

func anyValue(depth int) *rapid.Generator[any] {
	scalars := rapid.SampledFrom([]any{int64(1), 1.5, "s", "", true})
	if depth == 0 {
		return scalars
	}
	return rapid.OneOf(scalars,
		rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), anyValue(depth-1), 0, 2), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), anyValue(depth-1), 0, 2),
			func(m map[string]any) any { m["k"] = "x"; return m }), 0, 2), func(l []any) any { return l }))
}

// anyMutator is one that Read takes.
func anyMutator(name string) *rapid.Generator[*Mutator] {
	return rapid.Custom(func(t *rapid.T) *Mutator {
		for {
			location := anyLocation().Draw(t, "location")
			parameters := map[string]any{}
			kind := rapid.SampledFrom([]string{"Assign", "Assign", "ModifySet", "AssignImage", "AssignMetadata"}).Draw(t, "kind")
			spec := map[string]any{"location": location.String(), "parameters": parameters}
			if kind != "AssignMetadata" {
				spec["applyTo"] = []any{map[string]any{"groups": []any{""}, "versions": []any{"v1"}, "kinds": []any{"Thing"}}}
			}
			switch kind {
			case "Assign":
				value := anyValue(2).Draw(t, "value")
				if last := location.last(); last.list && !last.every {
					value = map[string]any{"k": last.key, "a": value}
				}
				parameters["assign"] = map[string]any{"value": value}
			case "ModifySet":
				parameters["operation"] = rapid.SampledFrom([]string{"merge", "prune"}).Draw(t, "operation")
				parameters["values"] = map[string]any{"fromList": rapid.SliceOfN(anyValue(1), 0, 3).Draw(t, "values")}
			case "AssignImage":
				parameters["assignTag"] = rapid.SampledFrom([]string{":a", ":b"}).Draw(t, "tag")
			case "AssignMetadata":
				spec["location"] = "metadata.labels." + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "label")
				parameters["assign"] = map[string]any{"value": name}
			}
			if kind != "AssignMetadata" && rapid.IntRange(0, 2).Draw(t, "tested") == 0 {
				sub := location[:rapid.IntRange(1, len(location)).Draw(t, "sub")]
				c := rapid.SampledFrom([]condition{mustExist, mustNotExist}).Draw(t, "condition")
				parameters["pathTests"] = []any{map[string]any{"subPath": sub.String(), "condition": string(c)}}
			}
			text, err := json.Marshal(map[string]any{
				"apiVersion": Group + "/v1", "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
			})
			if err != nil {
				t.Fatal(err)
			}
			m, err := Read(Document{JSON: text}, whoever)
			if err == nil {
				return m
			}
		}
	})
}

func anyMutators() *rapid.Generator[[]*Mutator] {
	return rapid.Custom(func(t *rapid.T) []*Mutator {
		var out []*Mutator
		for i := range rapid.IntRange(1, 5).Draw(t, "mutators") {
			out = append(out, anyMutator(fmt.Sprintf("m%d", i)).Draw(t, "mutator"))
		}
		return out
	})
}

func anyThing() *rapid.Generator[*unstructured.Unstructured] {
	return rapid.Custom(func(t *rapid.T) *unstructured.Unstructured {
		spec := map[string]any{}
		for _, name := range []string{"a", "b", "other"} {
			if rapid.Bool().Draw(t, "has") {
				spec[name] = anyValue(3).Draw(t, name)
			}
		}
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "n"}, "spec": spec, "status": "kept",
		}}
	})
}

func TestOneMutatorIsIdempotent(t *testing.T) {
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		m, obj := anyMutator("m").Draw(t, "m"), anyThing().Draw(t, "obj")
		before := obj.DeepCopy()
		if m.Mutate(t.Context(), create(), obj) != nil {
			return
		}
		once := obj.DeepCopy()
		if !reflect.DeepEqual(before, once) {
			changes++
		}
		if err := m.Mutate(t.Context(), create(), obj); err != nil || !reflect.DeepEqual(obj, once) {
			t.Fatalf("%s at %s makes %v of %v, which it made of %v (%v)", m.id, m.location, obj, once, before, err)
		}
	})
	if changes == 0 {
		t.Error("no mutator has changed anything; the generator is at fault")
	}
}

// A mutator changes nothing but what its location leads to and, where it makes something, what is missing on the way.
func TestAMutatorTouchesOnlyItsLocation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, obj := anyMutator("m").Draw(t, "m"), anyThing().Draw(t, "obj")
		before := obj.DeepCopy()
		if m.Mutate(t.Context(), create(), obj) != nil {
			return
		}
		if at, ok := outside(before.Object, obj.Object, m.location, ""); !ok {
			t.Fatalf("%s at %s makes %v of %v: it changes %s", m.id, m.location, obj, before, at)
		}
	})
}

// outside compares two values everywhere but where the path leads, and returns the first place that differs.
func outside(before, after any, p path, at string) (string, bool) {
	if reflect.DeepEqual(before, after) || len(p) == 0 {
		return "", true
	}
	if before == nil { // it was made: of nothing but the way
		switch after := after.(type) {
		case map[string]any:
			return outside(map[string]any{}, after, p, at)
		case []any:
			return outside([]any{}, after, p, at)
		}
		return at, false
	}
	n := p[0]
	switch after := after.(type) {
	case map[string]any:
		before, ok := before.(map[string]any)
		if !ok || n.list {
			return at, false
		}
		for name := range before {
			if _, kept := after[name]; !kept {
				return at + "." + name, false
			}
		}
		for name, member := range after {
			if name == n.name {
				if at, ok := outside(before[name], member, p[1:], at+"."+name); !ok {
					return at, false
				}
			} else if was, had := before[name]; !had || !reflect.DeepEqual(was, member) {
				return at + "." + name, false
			}
		}
		return "", true
	case []any:
		before, ok := before.([]any)
		if !ok || !n.list || len(after) < len(before) || len(after) > len(before)+1 || n.every && len(after) > len(before) {
			return at, false
		}
		for i, element := range after {
			var was any = map[string]any{n.name: n.key}
			if i < len(before) {
				was = before[i]
			}
			members, _ := was.(map[string]any)
			chosen := n.every || members[n.name] == n.key
			if at, ok := outside(was, element, p[1:], fmt.Sprintf("%s[%d]", at, i)); !ok || !chosen && !reflect.DeepEqual(was, element) {
				return at, false
			}
		}
		return "", true
	}
	return at, false
}

// outcome is all that there is to tell of mutators and an object.
func outcome(t *rapid.T, list []*Mutator, obj *unstructured.Unstructured) (string, *unstructured.Unstructured) {
	set, errs := NewSet(list)
	obj = obj.DeepCopy()
	if err := set.Mutate(t.Context(), create(), obj); err != nil {
		return fmt.Sprint(errs, err), nil
	}
	return fmt.Sprint(errs, obj), obj
}

func TestOrderOfDocumentsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, obj := anyMutators().Draw(t, "mutators"), anyThing().Draw(t, "obj")
		want, _ := outcome(t, list, obj)
		for range 4 {
			list = rapid.Permutation(list).Draw(t, "order")
			if got, _ := outcome(t, list, obj); got != want {
				t.Fatalf("in the order %v:\n got %s\nwant %s", list, got, want)
			}
		}
	})
}

// What a set leaves is at rest, and what no mutator may change is as it was.
func TestSetComesToRest(t *testing.T) {
	rested, conflicts := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		list, before := anyMutators().Draw(t, "mutators"), anyThing().Draw(t, "obj")
		once, obj := outcome(t, list, before)
		if _, errs := NewSet(list); len(errs) > 0 {
			conflicts++
		}
		if obj == nil {
			return
		}
		rested++
		if twice, _ := outcome(t, list, obj); twice != once {
			t.Fatalf("\n once %s\ntwice %s", once, twice)
		}
		for _, name := range []string{"apiVersion", "kind", "status"} {
			if obj.Object[name] != before.Object[name] {
				t.Fatalf("%s is %v", name, obj.Object[name])
			}
		}
		if obj.GetName() != "n" {
			t.Fatal("the name has changed")
		}
	})
	if rested == 0 || conflicts == 0 {
		t.Errorf("%d came to rest, %d had conflicts; the generator is at fault", rested, conflicts)
	}
}
