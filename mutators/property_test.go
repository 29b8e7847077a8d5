package mutators

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/review"
)

// The edits below are drawn from few names and values, so that they meet often. Elements of lists are found by "n", which no edit
// changes, and what is appended is named unlike what is found.

func anyTree() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		out := map[string]any{}
		for _, name := range []string{"a", "b"} {
			if rapid.Bool().Draw(t, "has "+name) {
				out[name] = anyLeaf(2).Draw(t, name)
			}
		}
		if rapid.Bool().Draw(t, "has l") {
			list := []any{}
			for _, n := range rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "p"}), 0, 4).Draw(t, "elements") {
				element := map[string]any{"n": n}
				if rapid.Bool().Draw(t, "more") {
					element["a"] = anyLeaf(1).Draw(t, "a")
				}
				list = append(list, element)
			}
			out["l"] = list
		}
		return out
	})
}

func anyLeaf(depth int) *rapid.Generator[any] {
	scalars := rapid.SampledFrom([]any{int64(1), int64(2), "s", nil})
	if depth <= 0 {
		return scalars
	}
	return rapid.OneOf(scalars, rapid.Map(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), anyLeaf(depth-1), 0, 2),
		func(m map[string]any) any { return m }))
}

func anyEdit(policy string) *rapid.Generator[review.Edit] {
	return rapid.Custom(func(t *rapid.T) review.Edit {
		e := review.Edit{Policy: policy}
		if rapid.Bool().Draw(t, "in list") {
			e.Path = append(e.Path, review.Segment{Name: "l"})
			if rapid.IntRange(0, 3).Draw(t, "append") == 0 {
				e.Op = review.EditAppend
				e.Value = map[string]any{"n": rapid.SampledFrom([]string{"p", "q"}).Draw(t, "n"), "a": anyLeaf(1).Draw(t, "value")}
				e.Key = rapid.SampledFrom([]string{"", "n"}).Draw(t, "key")
				return e
			}
			e.Path = append(e.Path, review.Segment{Where: map[string]string{"n": rapid.SampledFrom([]string{"x", "y"}).Draw(t, "where")}})
		}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 3).Draw(t, "path") {
			e.Path = append(e.Path, review.Segment{Name: name})
		}
		ops := []review.EditOp{review.EditSet, review.EditDefault, review.EditRemove}
		switch last := len(e.Path) - 1; {
		case last < 0:
			e.Path = []review.Segment{{Name: "a"}}
		case e.Path[last].Where != nil:
			ops = []review.EditOp{review.EditRemove}
		}
		if e.Op = rapid.SampledFrom(ops).Draw(t, "op"); e.Op != review.EditRemove {
			e.Value = anyLeaf(2).Filter(func(v any) bool { return v != nil }).Draw(t, "value")
		}
		return e
	})
}

// outcome is all that may be told of an application: findings, and the object; the latter by itself if all edits were made.
func outcome(t *rapid.T, tree map[string]any, edits []review.Edit) (string, map[string]any) {
	copied, err := clone(tree)
	if err != nil {
		t.Fatal(err)
	}
	obj := copied.(map[string]any)
	faults, contradictions, err := apply(t.Context(), obj, edits)
	if err != nil { // what cannot be made is found out before anything is
		t.Fatal(err)
	}
	if len(contradictions) > 0 {
		return fmt.Sprint(faults, contradictions), nil
	}
	if len(faults) > 0 { // what others have made may be what an edit lacked
		return fmt.Sprint(faults, obj), nil
	}
	return fmt.Sprint(obj), obj
}

func anyPolicies() *rapid.Generator[[][]review.Edit] {
	return rapid.Custom(func(t *rapid.T) [][]review.Edit {
		var out [][]review.Edit
		for i := range rapid.IntRange(1, 4).Draw(t, "policies") {
			out = append(out, rapid.SliceOfN(anyEdit(fmt.Sprintf("p%d", i)), 1, 3).Draw(t, "edits"))
		}
		return out
	})
}

func TestOrderOfPoliciesDoesNotMatter(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		tree := anyTree().Draw(t, "tree")
		policies := anyPolicies().Draw(t, "policies")
		want, obj := outcome(t, tree, slices.Concat(policies...))
		if obj != nil {
			made++
		}
		for range 4 {
			policies = rapid.Permutation(policies).Draw(t, "order")
			if got, _ := outcome(t, tree, slices.Concat(policies...)); got != want {
				t.Fatalf("in the order %v:\n got %s\nwant %s", policies, got, want)
			}
		}
	})
	if made == 0 {
		t.Error("no edits were made in any object; the generator is at fault")
	}
}

func TestEditsAreIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edits := slices.Concat(anyPolicies().Draw(t, "policies")...)
		once, obj := outcome(t, anyTree().Draw(t, "tree"), edits)
		if obj == nil {
			return
		}
		// A policy whose element another has removed makes no edit the second time.
		if _, _, err := apply(t.Context(), obj, edits); err != nil || fmt.Sprint(obj) != once {
			t.Fatalf("%v\n once %s\ntwice %v %v", edits, once, obj, err)
		}
	})
}
