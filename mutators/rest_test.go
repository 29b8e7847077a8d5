package mutators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// wanting answers with the edits that each of some policies wants in the object as it is.
func wanting(t *testing.T, wants ...func(spec map[string]any) []string) review.Reviewer {
	t.Helper()
	return review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		d := review.Decision{Verdict: review.Allow, Revision: "r"}
		spec, _ := object(t, string(req.Object))["spec"].(map[string]any)
		for _, want := range wants {
			d.Edits = append(d.Edits, edits(t, want(spec)...)...)
		}
		return d, nil
	})
}

// always wants the same, whatever the object.
func always(texts ...string) func(map[string]any) []string {
	return func(map[string]any) []string { return texts }
}

func TestPoliciesThatNeverRest(t *testing.T) {
	list := func(spec map[string]any, name string) []any {
		out, _ := spec[name].([]any)
		return out
	}
	good := always(`{"policy":"good","set":["spec","x"],"value":1}`)
	// counter wants one more each time, and some other label.
	counter := func(onFault string) func(map[string]any) []string {
		return func(spec map[string]any) []string {
			return []string{
				fmt.Sprintf(`{"policy":"counter","onFault":%q,"set":["spec","n"],"value":%d}`, onFault, spec["n"].(int64)+1),
				fmt.Sprintf(`{"policy":"counter","onFault":%q,"set":["spec","steady"],"value":true}`, onFault),
			}
		}
	}
	// a wants the list to be one long, b that it has a 2.
	short := func(onFault string) func(map[string]any) []string {
		return func(spec map[string]any) []string {
			if len(list(spec, "l")) == 1 {
				return nil
			}
			return []string{fmt.Sprintf(`{"policy":"a","onFault":%q,"set":["spec","l"],"value":[1]}`, onFault)}
		}
	}
	two := func(onFault string) func(map[string]any) []string {
		return func(spec map[string]any) []string {
			l := list(spec, "l")
			if len(l) != 1 || l[0] == int64(2) {
				return nil
			}
			return []string{fmt.Sprintf(`{"policy":"b","onFault":%q,"append":["spec","l"],"value":2}`, onFault)}
		}
	}
	// grow adds an element each time; each labels what it finds.
	grow := func(spec map[string]any) []string {
		return []string{fmt.Sprintf(`{"policy":"grow","onFault":"warn","append":["spec","c"],"value":{"n":"%d"}}`, len(list(spec, "c")))}
	}
	each := func(spec map[string]any) (out []string) {
		for i := range list(spec, "c") {
			out = append(out, fmt.Sprintf(`{"policy":"each","set":["spec","c",%d,"v"],"value":1}`, i))
		}
		return out
	}
	const (
		counts = `its edits never come to rest: made again, they go on changing spec.n; what they want must hold once they are made`
		fight  = `its edits and those of %q never come to rest: made again, they go on changing spec.l; what they want must hold once they are made`
		added  = `[{"op":"add","path":"/spec/x","value":1}]`
		listed = `[{"op":"add","path":"/spec/l","value":[1]},{"op":"add","path":"/spec/x","value":1}]`
	)
	for _, c := range []struct {
		name  string
		wants []func(map[string]any) []string
		want  string // verdict, patch, whether it is a fault, findings
	}{
		{"deny", []func(map[string]any) []string{good, counter("deny")}, `deny "" true, deny counter: ` + counts},
		{"nobody said", []func(map[string]any) []string{good, counter("")}, `deny "" true, deny counter: ` + counts},
		{"warn", []func(map[string]any) []string{counter("warn"), good}, fmt.Sprintf(`allow %q false, warn counter: %s`, added, counts)},
		{"allow", []func(map[string]any) []string{good, counter("audit")}, fmt.Sprintf(`allow %q false, audit counter: %s`, added, counts)},
		{
			"two that undo each other, in either order",
			[]func(map[string]any) []string{short("deny"), good, two("warn")},
			fmt.Sprintf(`deny "" true, deny a: `+fight+`, warn b: `+fight, "b", "a"),
		},
		{
			"two that undo each other and must not refuse",
			[]func(map[string]any) []string{two("audit"), short("warn"), good},
			fmt.Sprintf(`allow %q false, warn a: `+fight+`, audit b: `+fight, added, "b", "a"),
		},
		{"one of the two is content", []func(map[string]any) []string{short("deny"), good}, fmt.Sprintf(`allow %q false`, listed)},
		{
			"who reacts to one that never rests is not at fault",
			[]func(map[string]any) []string{grow, each, good},
			fmt.Sprintf(`allow %q false, warn grow: its edits never come to rest: made again, they go on changing spec.c; what they want must hold once they are made`, added),
		},
		{
			"a fault beside it",
			[]func(map[string]any) []string{counter("warn"), always(`{"policy":"z","onFault":"warn","set":["kind"],"value":"x"}`), good},
			fmt.Sprintf(`allow %q false, warn z: the edit to set kind cannot be made: no policy may change kind, warn counter: %s`, added, counts),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Chain{Ask(wanting(t, c.wants...))}.Review(t.Context(), question(t, "CREATE", "Thing", `{"metadata":{},"spec":{"n":1}}`, ""))
			got := fmt.Sprintf("%v %q %v", d.Verdict, d.Patch, d.Faulty())
			for _, f := range d.Findings {
				got += fmt.Sprintf(", %s %s", f.Effect, f)
			}
			if err != nil || got != c.want || d.Revision != "r" {
				t.Errorf("\n got %s %v\nwant %s", got, err, c.want)
			}
		})
	}
}

// Half of what a policy wants is not what it wants, also when its edits could be made at first.
func TestAFaultInALaterRoundTakesBackEarlierEdits(t *testing.T) {
	const remove = `{"policy":"a","remove":["spec","c",{"n":"x"}]}`
	for _, c := range []struct{ name, onFault, want string }{
		{
			"warn", "warn", `allow "[{\"op\":\"remove\",\"path\":\"/spec/c/0\"}]", ` +
				`warn b: the edit to set spec.c[n="x"].v cannot be made: there is no spec.c[n="x"]; what adds an element is append`,
		},
		{"deny", "deny", `deny "", deny b: the edit to set spec.c[n="x"].v cannot be made: there is no spec.c[n="x"]; what adds an element is append`},
	} {
		asked := wanting(t, always(remove), always(
			fmt.Sprintf(`{"policy":"b","onFault":%q,"set":["spec","c",{"n":"x"},"v"],"value":1}`, c.onFault),
			fmt.Sprintf(`{"policy":"b","onFault":%q,"set":["spec","y"],"value":1}`, c.onFault)))
		d, err := Chain{Ask(asked)}.Review(t.Context(), question(t, "CREATE", "Thing", `{"metadata":{},"spec":{"c":[{"n":"x"}]}}`, ""))
		got := fmt.Sprintf("%v %q", d.Verdict, d.Patch)
		for _, f := range d.Findings {
			got += fmt.Sprintf(", %s %s", f.Effect, f)
		}
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %s %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

// An edit may be of an element that another policy adds: what counts is what is there in the end.
func TestAnElementThatAnotherPolicyAdds(t *testing.T) {
	asked := wanting(t, always(`{"policy":"a","set":["spec","c",{"n":"x"},"v"],"value":1}`), func(spec map[string]any) []string {
		if spec["c"] != nil {
			return nil
		}
		return []string{`{"policy":"b","append":["spec","c"],"value":{"n":"x"}}`}
	})
	d, err := Chain{Ask(asked)}.Review(t.Context(), question(t, "CREATE", "Thing", `{"metadata":{},"spec":{}}`, ""))
	if want := `[{"op":"add","path":"/spec/c","value":[{"n":"x","v":1}]}]`; err != nil || len(d.Findings) > 0 || string(d.Patch) != want {
		t.Errorf("got %s %v %v, want %s", d.Patch, d.Findings, err, want)
	}
}

// The search begins anew for each suspect, and ends with the time there is.
func TestTheSearchForWhoNeverRestsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	endless := review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		if asked++; asked > maxRounds {
			cancel()
		}
		var obj struct{ Spec map[string]int }
		if err := json.Unmarshal(req.Object, &obj); err != nil {
			return review.Decision{}, err
		}
		return review.Decision{Verdict: review.Allow, Edits: edits(t,
			fmt.Sprintf(`{"policy":"a","set":["spec","a"],"value":%d}`, obj.Spec["a"]+1),
			fmt.Sprintf(`{"policy":"b","set":["spec","b"],"value":%d}`, obj.Spec["b"]+1))}, nil
	})
	d, err := Chain{Ask(endless)}.Review(ctx, question(t, "CREATE", "Thing", `{"metadata":{},"spec":{}}`, ""))
	if !errors.Is(err, context.Canceled) || d.Verdict != review.Deny || d.Patch != nil {
		t.Errorf("got %v %s %v", d.Verdict, d.Patch, err)
	}
}
