package mutators

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

const thing = `{"apiVersion":"v1","kind":"Thing","metadata":{"name":"n","uid":"u"},"spec":{"n":9007199254740993}}`

func TestChain(t *testing.T) {
	refusing := review.Decision{Findings: []review.Finding{{Policy: "b", Effect: review.EffectDeny, Message: "no."}}, Revision: "r2"}
	warning := review.Decision{
		Verdict: review.Allow, Findings: []review.Finding{{Policy: "a", Effect: review.EffectWarn, Message: "hm."}}, Revision: "r1",
		Edits: edits(t, `{"set":["spec","x"],"value":1}`),
	}
	conflicting := review.Decision{Verdict: review.Allow, Revision: "r3", Edits: edits(t, `{"policy":"a","set":["x"],"value":1}`, `{"policy":"b","set":["x"],"value":2}`)}
	label := editing("label", func(obj map[string]any) { labels(obj)["a/b"] = "x" })
	failing := Func("failing", func(context.Context, *review.Request, *unstructured.Unstructured) error {
		return errors.New("out of paper")
	})
	saying := Func("saying", func(context.Context, *review.Request, *unstructured.Unstructured) error {
		return fmt.Errorf("wrapped: %w", &RefusalError{refusing})
	})
	putting := func(v any) Mutator {
		return editing("putting", func(obj map[string]any) { obj["spec"].(map[string]any)["x"] = v })
	}
	deep := any(nil)
	for range maxDepth {
		deep = []any{deep}
	}
	for _, c := range []struct {
		name  string
		chain Chain
		want  string
	}{
		{"no links", Chain{}, `allow "" ""`},
		{"nothing to do", Chain{Ask(policies(review.Decision{Verdict: review.Allow, Revision: "r"}))}, `allow "" r ""`},
		{
			"links in order, one patch",
			Chain{label, Ask(policies(warning))},
			`allow "" r1 "[{"op":"add","path":"/metadata/labels","value":{"a/b":"x"}},{"op":"add","path":"/spec/x","value":1}]" a: hm.`,
		},
		{"what is undone is no change", Chain{label, editing("unlabel", func(obj map[string]any) { delete(obj["metadata"].(map[string]any), "labels") })}, `allow "" ""`},
		{"a refusal ends the chain and keeps the findings", Chain{Ask(policies(warning)), Ask(policies(refusing)), failing}, `deny b: no. r2 "" a: hm. b: no.`},
		{"a mutator written in Go refuses", Chain{Ask(policies(warning)), saying}, `deny b: no. r2 "" a: hm. b: no.`},
		{
			"a conflict refuses",
			Chain{Ask(policies(warning)), Ask(policies(conflicting))},
			`deny a: the policies "a" and "b" contradict each other: both want to set x, with different values r3 "" a: hm. a: the policies "a" and "b" contradict each other: both want to set x, with different values`,
		},
		{"nobody filled in the answer", Chain{Ask(policies(review.Decision{}))}, `deny "" ""`},
		{"an error names the link", Chain{label, failing}, `error: mutator "failing": out of paper`},
		{
			"an edit that cannot be made is a fault of its policy",
			Chain{Ask(policies(review.Decision{Verdict: review.Allow, Edits: edits(t, `{"policy":"q","set":["kind"],"value":"Pod"}`)}))},
			`deny q: the edit to set kind cannot be made: no policy may change kind "" q: the edit to set kind cannot be made: no policy may change kind`,
		},
		{"patches are not edits", Chain{Ask(policies(review.Decision{Verdict: review.Allow, Patch: []byte(`[]`)}))}, `error: mutator "policies": it answered with a patch where edits are asked for`},
		{
			"a protected field",
			Chain{editing("renaming", func(obj map[string]any) { obj["metadata"].(map[string]any)["name"] = "m" })},
			`error: mutator "renaming": it changed metadata.name, which no mutator may change`,
		},
		{
			"all protected fields",
			Chain{editing("emptying", func(obj map[string]any) { clear(obj) })},
			`error: mutator "emptying": it changed apiVersion, which no mutator may change`,
		},
		{
			"no object left",
			Chain{Func("losing", func(_ context.Context, _ *review.Request, obj *unstructured.Unstructured) error {
				obj.Object = nil
				return nil
			})},
			`error: mutator "losing": it left no object`,
		},
		{"a Go type", Chain{putting([]string{"a"})}, `error: mutator "putting": a Go []string is not decoded JSON`},
		{"a nil map", Chain{putting(map[string]any(nil))}, `error: mutator "putting": a nil map is not decoded JSON`},
		{"a nil slice", Chain{putting([]any(nil))}, `error: mutator "putting": a nil slice is not decoded JSON`},
		{"an infinite number", Chain{putting(1 / zero())}, `error: mutator "putting": a number is not finite`},
		{"endless nesting", Chain{putting(deep)}, `error: mutator "putting": it nests deeper than 512 levels`},
		{"text that is not UTF-8", Chain{putting("\xff")}, `error: the patch makes something else of spec.x than was wanted`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := c.chain.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
			got := fmt.Sprintf("error: %v", err)
			if err == nil {
				got = fmt.Sprintf("%v %s %s \"%s\"", d.Verdict, or(d.Refusal()), d.Revision, d.Patch)
				for _, f := range d.Findings {
					got += " " + f.String()
				}
			} else if len(d.Patch) > 0 || d.Verdict != review.Deny {
				t.Errorf("an error comes with the decision %v", d)
			}
			if strings.Join(strings.Fields(got), " ") != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func or(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

func zero() (f float64) { return }

func TestChainAnswersOneStage(t *testing.T) {
	req := *question(t, "CREATE", "Thing", thing, "")
	req.Stage = review.Validate
	if d, err := (Chain{}).Review(t.Context(), &req); err == nil || d.Verdict != review.Deny || err.Error() != `mutators answer at stage "mutate", not at "validate"` {
		t.Errorf("got %v %v", d, err)
	}
}

func TestChainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ending := editing("ending", func(map[string]any) { cancel() })
	_, err := Chain{ending, editing("late", nil)}.Review(ctx, question(t, "CREATE", "Thing", thing, ""))
	if !errors.Is(err, context.Canceled) || err.Error() != `mutator "late": context canceled` {
		t.Errorf("got %v", err)
	}
}

// What must never be patched, whatever the mutators want.
func TestUntouchable(t *testing.T) {
	touching := Chain{editing("touching", func(obj map[string]any) { labels(obj)["x"] = "y" })}
	const (
		mirrored = `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"h"}}}`
		dying    = `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`
		alive    = `{"metadata":{"deletionTimestamp":null}}`
	)
	for _, c := range []struct {
		name, operation, kind, object, old string
		patched                            bool
	}{
		{"a create", "CREATE", "Thing", thing, "", true},
		{"an update", "UPDATE", "Thing", thing, thing, true},
		{"a connect", "CONNECT", "PodExecOptions", `{"metadata":{}}`, "", false},
		{"a mirror pod", "CREATE", "Pod", mirrored, "", false},
		{"a mirror pod's update", "UPDATE", "Pod", mirrored, mirrored, false},
		{"a mirror pod that a tenant made up", "CREATE", "Pod", mirrored, "", true},
		{"another kind with the mirror's annotation", "CREATE", "Thing", mirrored, "", true},
		{"the removal of a finalizer", "UPDATE", "Thing", dying, dying, false},
		{"the removal of a finalizer without the timestamp", "UPDATE", "Thing", thing, dying, false},
		{"a timestamp the user made up", "UPDATE", "Thing", dying, alive, true},
		{"a timestamp the user made up in a new object", "CREATE", "Thing", dying, "", true},
	} {
		req := question(t, c.operation, c.kind, c.object, c.old)
		if !strings.Contains(c.name, "tenant") {
			req.User.Groups = []string{"system:nodes"}
		}
		d, err := touching.Review(t.Context(), req)
		if err != nil || d.Verdict != review.Allow || (d.Patch != nil) != c.patched {
			t.Errorf("%s: got %v %s %v", c.name, d.Verdict, d.Patch, err)
		}
	}
}

// The API server answers 500 to any patch on DELETE, whatever the failure policy.
func TestPitfall09PatchOnDelete(t *testing.T) {
	touching := Chain{Func("touching", func(context.Context, *review.Request, *unstructured.Unstructured) error {
		t.Error("a mutator was asked about an object that goes")
		return nil
	})}
	withObject := *question(t, "CREATE", "Thing", thing, "")
	withObject.Verb = "delete"
	for _, req := range []*review.Request{question(t, "DELETE", "Thing", "", thing), question(t, "DELETE", "Thing", "", ""), &withObject} {
		d, err := touching.Review(t.Context(), req)
		if err != nil || d.Verdict != review.Allow || d.Patch != nil {
			t.Errorf("got %+v %v", d, err)
		}
	}
}

// A policy sees what earlier links made, in the object and in the whole review; the bytes as they came if they made nothing.
func TestAskShowsTheObjectAsItIsNow(t *testing.T) {
	req := question(t, "CREATE", "Thing", thing, "")
	var seen []*review.Request
	spy := Ask(review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		seen = append(seen, req)
		return review.Decision{Verdict: review.NoOpinion}, nil
	}))
	d, err := Chain{editing("idle", func(map[string]any) {}), spy, editing("label", func(obj map[string]any) { labels(obj)["x"] = "y" }), spy}.Review(t.Context(), req)
	if err != nil || d.Verdict != review.Allow {
		t.Fatal(d, err)
	}
	const labelled = `{"apiVersion":"v1","kind":"Thing","metadata":{"labels":{"x":"y"},"name":"n","uid":"u"},"spec":{"n":9007199254740993}}`
	if len(seen) != 4 {
		t.Fatalf("asked %d times", len(seen))
	}
	if seen[0] != req {
		t.Error("the review was written anew although nothing had changed")
	}
	for i, want := range []string{thing, labelled, labelled, labelled} {
		if got := spelt(t, object(t, string(seen[i].Object))); got != spelt(t, object(t, want)) {
			t.Errorf("question %d shows %s", i, got)
		}
		if !strings.Contains(string(seen[i].Body), `"object":`+string(seen[i].Object)) {
			t.Errorf("question %d has another object in its body", i)
		}
	}
}

func TestAskOutsideAChain(t *testing.T) {
	obj := &unstructured.Unstructured{Object: object(t, `{"metadata":{"name":"other"}}`)}
	mutator := Ask(review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		if got := string(req.Object); got != `{"metadata":{"name":"other"}}` {
			t.Errorf("asked about %s", got)
		}
		return review.Decision{Verdict: review.Allow, Edits: edits(t, `{"set":["x"],"value":1}`)}, nil
	}))
	if err := mutator.Mutate(t.Context(), question(t, "CREATE", "Thing", thing, ""), obj); err != nil || spelt(t, obj.Object) != `{"metadata":{"name":"other"},"x":1}` {
		t.Error(spelt(t, obj.Object), err)
	}
	err := Ask(policies(review.Decision{})).Mutate(t.Context(), question(t, "CREATE", "Thing", thing, ""), obj)
	var refusal *RefusalError
	if !errors.As(err, &refusal) || err.Error() != "refused without a reason" {
		t.Errorf("got %v", err)
	}
}

// No answer of the policies is no answer of the chain, and keeps saying whether asking again helps.
func TestAskPassesErrorsOn(t *testing.T) {
	_, err := Chain{Ask(review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		return review.Decision{}, review.Unavailable("no policies are loaded")
	}))}.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
	if !errors.Is(err, review.ErrUnavailable) || err.Error() != `mutator "policies": no answer is available now: no policies are loaded` {
		t.Errorf("got %v", err)
	}
}
