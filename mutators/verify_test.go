package mutators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// The API server answers 500 to a patch that does not apply, even under failurePolicy Ignore: whatever diff gets wrong, the chain
// has no answer, and no patch.
func TestPitfall10PatchThatDoesNotApplyIsNeverSent(t *testing.T) {
	chain := Chain{editing("label", func(obj map[string]any) { labels(obj)["x"] = "y" })}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for _, c := range []struct {
		name       string
		operations []operation
		err        error
		want       string
	}{
		{
			"a parent is missing",
			[]operation{{"add", "/metadata/labels/x", raw(`"y"`)}},
			nil,
			`the patch does not apply: add operation does not apply: doc is missing path: "/metadata/labels/x": missing value`,
		},
		{
			"nothing to remove",
			[]operation{{"remove", "/spec/x", nil}},
			nil,
			`the patch does not apply: error in remove for path: '/spec/x': Unable to remove nonexistent key: x: missing value`,
		},
		{"a test that fails", []operation{{"test", "/spec/n", raw(`1`)}}, nil, `the patch does not apply: testing value /spec/n failed: test failed`},
		{"no operation", []operation{{"jump", "/spec", nil}}, nil, `the patch does not apply: Unexpected kind: jump`},
		{"another value", []operation{{"add", "/metadata/labels", raw(`{"x":"z"}`)}}, nil, `the patch makes something else of metadata.labels.x than was wanted`},
		{
			"one change too many",
			[]operation{{"add", "/metadata/labels", raw(`{"x":"y"}`)}, {"replace", "/spec/n", raw(`9007199254740992`)}},
			nil,
			`the patch makes something else of spec.n than was wanted`,
		},
		{"no object", []operation{{"replace", "", raw(`[]`)}}, nil, `the patch spoils the object: the object cannot be decoded: json: cannot unmarshal array into Go value of type map[string]interface {}`},
		{"no JSON", []operation{{"add", "/metadata/labels", raw(`{`)}}, nil, `the patch cannot be encoded: json: error calling MarshalJSON for type json.RawMessage: unexpected end of JSON input`},
		{"an error", nil, errors.New("out of paper"), `out of paper`},
	} {
		d, err := chain.review(t.Context(), question(t, "CREATE", "Thing", thing, ""), func(_, _ map[string]any) ([]operation, error) { return c.operations, c.err })
		if err == nil || err.Error() != c.want || d.Patch != nil || d.Verdict != review.Deny {
			t.Errorf("%s:\n got %v, %s %s\nwant %s", c.name, err, d.Verdict, d.Patch, c.want)
		}
	}
}

func TestWhatIsNotIdempotentIsNeverSent(t *testing.T) {
	steady := editing("steady", func(obj map[string]any) { labels(obj)["s"] = "x" })
	sidecar := editing("sidecar", func(obj map[string]any) {
		list, _ := obj["containers"].([]any)
		obj["containers"] = append(list, map[string]any{"name": fmt.Sprint("sidecar-", len(list))})
	})
	tried := 0
	failing := Ask(review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		if tried++; tried > 1 {
			return review.Decision{}, errors.New("out of paper")
		}
		return review.Decision{Verdict: review.Allow, Revision: "r", Edits: edits(t, `{"set":["x"],"value":1}`)}, nil
	}))
	for _, c := range []struct {
		chain Chain
		want  string
	}{
		{Chain{failing}, `mutator "policies": out of paper`},
		{Chain{steady, sidecar, steady}, `mutator "sidecar" is not idempotent: applied again and again, it goes on changing containers`},
	} {
		d, err := c.chain.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
		if err == nil || err.Error() != c.want || d.Patch != nil || d.Verdict != review.Deny {
			t.Errorf("\n got %v, %s %s\nwant %s", err, d.Verdict, d.Patch, c.want)
		}
	}
}

// Links that undo each other's work come to rest as a chain, which is all that is asked of them.
func TestLinksMayOverruleEarlierOnes(t *testing.T) {
	chain := Chain{
		editing("first", func(obj map[string]any) { labels(obj)["x"] = "first" }),
		editing("last", func(obj map[string]any) { labels(obj)["x"] = "last" }),
	}
	d, err := chain.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
	if err != nil || !strings.Contains(string(d.Patch), `"last"`) {
		t.Errorf("got %s %v", d.Patch, err)
	}
}

// A policy that works on every container sees in the second round the one that another has added in the first.
func TestPoliciesMayReactToEachOther(t *testing.T) {
	inject := editing("inject", func(obj map[string]any) {
		list, _ := obj["containers"].([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok && c["name"] == "proxy" {
				return
			}
		}
		obj["containers"] = append(list, map[string]any{"name": "proxy"})
	})
	each := editing("each", func(obj map[string]any) {
		list, _ := obj["containers"].([]any)
		for _, c := range list {
			if c, ok := c.(map[string]any); ok {
				c["pull"] = "Always"
			}
		}
	})
	for _, chain := range []Chain{{inject, each}, {each, inject}} {
		d, err := chain.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
		if err != nil || strings.Count(string(d.Patch), "proxy") != 1 || !strings.Contains(string(d.Patch), `{"name":"proxy","pull":"Always"}`) {
			t.Errorf("got %s %v", d.Patch, err)
		}
	}
}

// What a policy refuses only in what others made is refused all the same.
func TestARefusalInALaterRound(t *testing.T) {
	asked := 0
	late := Ask(review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		if asked++; asked > 1 {
			return review.Decision{Findings: []review.Finding{{Policy: "p", Effect: review.EffectDeny, Message: "no more."}}}, nil
		}
		return review.Decision{Verdict: review.Allow, Edits: edits(t, `{"set":["x"],"value":1}`)}, nil
	}))
	d, err := Chain{late}.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
	if err != nil || d.Verdict != review.Deny || d.Refusal() != "p: no more." || d.Patch != nil {
		t.Errorf("got %+v %v", d, err)
	}
}

func TestNumbersAreComparedAsWritten(t *testing.T) {
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{int64(1), 1.0, true},
		{1.0, int64(1), true},
		{int64(1), 1.5, false},
		{int64(1<<53 + 1), float64(1 << 53), false},
		{int64(1<<63 - 1), float64(1 << 63), false},
		{int64(-1 << 63), float64(-1 << 63), false}, // the shortest spelling of the latter ends in 6000 and leaves the range
		{int64(101018000011000210), 101018000011000208.0, true},
		{int64(101018000011000208), 101018000011000208.0, false},
		{int64(0), math.Copysign(0, -1), true},
		{int64(1), "1", false},
		{[]any{int64(1)}, []any{1.0}, true},
		{map[string]any{"a": nil}, map[string]any{}, false},
		{map[string]any{"a": nil}, map[string]any{"b": nil}, false},
		{nil, map[string]any{}, false},
		{[]any{}, nil, false},
	} {
		if equal(c.a, c.b) != c.want || equal(c.b, c.a) != c.want {
			t.Errorf("equal(%v, %v) is not %v", c.a, c.b, c.want)
		}
		if _, differs := difference(c.a, c.b); differs == c.want {
			t.Errorf("difference(%v, %v) disagrees with equal", c.a, c.b)
		}
	}
}
