package mutators

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{`{"a":1}`, `{"a":1.0}`, `null`},
		{`{}`, `{"a/b":1,"a~b":2,"":3,"é":null}`, `[{"op":"add","path":"/","value":3},{"op":"add","path":"/a~1b","value":1},{"op":"add","path":"/a~0b","value":2},{"op":"add","path":"/é","value":null}]`},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"b":3}}`, `[{"op":"replace","path":"/a/b","value":3},{"op":"remove","path":"/a/c"}]`},
		{`{"a":{}}`, `{"a":[]}`, `[{"op":"replace","path":"/a","value":[]}]`},
		{`{"a":null}`, `{}`, `[{"op":"remove","path":"/a"}]`},
		{`{"a":1}`, `{"a":null}`, `[{"op":"replace","path":"/a","value":null}]`},
		{`{"l":[1,2,3]}`, `{"l":[1,2,3,4,5]}`, `[{"op":"add","path":"/l/3","value":4},{"op":"add","path":"/l/4","value":5}]`},
		{`{"l":[1,2,3]}`, `{"l":[0,1,2,3]}`, `[{"op":"add","path":"/l/0","value":0}]`},
		{`{"l":[1,2,3,4]}`, `{"l":[1,4]}`, `[{"op":"remove","path":"/l/2"},{"op":"remove","path":"/l/1"}]`},
		{`{"l":[1,1,1]}`, `{"l":[1,1]}`, `[{"op":"remove","path":"/l/2"}]`},
		{`{"l":[{"n":"a"},{"n":"b"},{"n":"c"}]}`, `{"l":[{"n":"a"},{"n":"b","v":1},{"n":"c"}]}`, `[{"op":"add","path":"/l/1/v","value":1}]`},
		{`{"l":[1,2,3,4]}`, `{"l":[1,9,8,7,4]}`, `[{"op":"replace","path":"/l/1","value":9},{"op":"replace","path":"/l/2","value":8},{"op":"add","path":"/l/3","value":7}]`},
		{`{"n":9007199254740993}`, `{"n":9007199254740992}`, `[{"op":"replace","path":"/n","value":9007199254740992}]`},
	} {
		operations, err := diff(object(t, c.before), object(t, c.after))
		if err != nil {
			t.Fatal(err)
		}
		if got := spelt(t, operations); got != c.want {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.before, c.after, got, c.want)
		}
		roundTrip(t, object(t, c.before), object(t, c.after))
	}
}

// roundTrip fails unless the patch from before to after, applied as the API server does, makes after.
func roundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, before, after map[string]any,
) {
	t.Helper()
	operations, err := diff(before, after)
	if err != nil {
		t.Fatalf("%v", err)
	}
	patch, err := encode(operations)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if (patch == nil) != equal(before, after) {
		t.Fatalf("a patch is made where nothing changed, or none where something did: %s", patch)
	}
	if patch == nil {
		return
	}
	received, err := json.Marshal(before)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := prove(received, patch, after); err != nil {
		t.Fatalf("%v\nbefore %s\npatch %s", err, received, patch)
	}
	for _, o := range operations {
		if o.Op != "add" && o.Op != "replace" && o.Op != "remove" {
			t.Fatalf("operation %s", o.Op)
		}
	}
}

func TestDiffAppliedMakesWhatWasWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := anyObject(3).Draw(t, "before")
		after := anyObject(3).Draw(t, "after")
		if rapid.Bool().Draw(t, "related") {
			after = map[string]any{}
			for _, name := range slices.Sorted(maps.Keys(before)) {
				after[name] = shifted(before[name]).Draw(t, "member")
			}
		}
		roundTrip(t, before, after)
	})
}

func FuzzDiff(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":[1,{"b":null}]}`, `{"a":[{"b":1},1]}`},
		{`{"a/b":1,"~1":2,"":{"":3}}`, `{"~01":1,"":{"/":null}}`},
		{`{"l":[1,2,3,4]}`, `{"l":[3,4,1,2,"-"]}`},
		{`{"":1e27}`, `{"x":101018000011000210.0}`},
		{`{"n":1e21,"m":-0.0}`, `{"n":18446744073709551615,"m":0}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		before, err := decode(one)
		if err != nil || check(before, 0) != nil {
			return
		}
		after, err := decode(other)
		if err != nil || check(after, 0) != nil {
			return
		}
		roundTrip(t, before, after)
		roundTrip(t, after, before)
	})
}

// The generators below draw decoded JSON that is awkward for patches: few names, so that they meet again, all kinds of
// characters in them, and lists that share runs of elements at other positions.

func anyObject(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		out := map[string]any{}
		for _, name := range rapid.SliceOfNDistinct(anyName(), 0, 5, rapid.ID[string]).Draw(t, "names") {
			out[name] = anyValue(depth-1).Draw(t, "member")
		}
		return out
	})
}

func anyName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "/", "~", "~0", "~1", "~01", "a/b", "0", "1", "-", "-1", "é", "\u2028", "\"", "<&>", " ", "\x00"}),
		rapid.String(),
	)
}

func anyValue(depth int) *rapid.Generator[any] {
	scalars := rapid.OneOf(
		rapid.SampledFrom([]any{nil, true, false, "", "x", int64(0), int64(1), 1.5, 1.0, 1e21, int64(1<<53 + 1), -0.25}),
		rapid.Map(rapid.Int64(), func(i int64) any { return i }),
		rapid.Map(anyName(), func(s string) any { return s }),
	)
	if depth <= 0 {
		return scalars
	}
	return rapid.OneOf(scalars,
		rapid.Map(anyObject(depth), func(m map[string]any) any { return m }),
		rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return anyValue(depth - 1) }), 0, 6), func(l []any) any { return l }),
	)
}

// shifted draws a value like v: a list with a run of elements cut out, repeated or moved, an object with a member changed.
func shifted(v any) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		switch v := v.(type) {
		case []any:
			from := rapid.IntRange(0, len(v)).Draw(t, "from")
			to := rapid.IntRange(from, len(v)).Draw(t, "to")
			at := rapid.IntRange(0, len(v)).Draw(t, "at")
			out := append([]any{}, v[:at]...)
			out = append(out, v[from:to]...)
			if rapid.Bool().Draw(t, "new") {
				out = append(out, anyValue(1).Draw(t, "element"))
			}
			return append(out, v[rapid.IntRange(at, len(v)).Draw(t, "rest"):]...)
		case map[string]any:
			changed := rapid.SampledFrom(append(slices.Sorted(maps.Keys(v)), "new")).Draw(t, "changed")
			out := maps.Clone(v)
			out[changed] = shifted(v[changed]).Draw(t, "member")
			return out
		}
		return rapid.OneOf(rapid.Just(v), anyValue(1)).Draw(t, "value")
	})
}
