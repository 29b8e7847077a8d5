package mutators

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// question makes the Request of an AdmissionReview; empty objects are null.
func question(t testing.TB, operation, kind, object, old string) *review.Request {
	t.Helper()
	null := func(s string) string {
		if s == "" {
			return "null"
		}
		return s
	}
	req, _, err := review.DialectMutate(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
		"uid":"u","kind":{"group":"","version":"v1","kind":%q},"resource":{"group":"","version":"v1","resource":"things"},
		"operation":%q,"object":%s,"oldObject":%s}}`, kind, operation, null(object), null(old)))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// path reads a path as policies write it: ["spec", "containers", {"name": "app"}, 0].
func path(t testing.TB, text string) []review.Segment {
	t.Helper()
	var out []review.Segment
	for _, s := range value(t, text).([]any) {
		switch s := s.(type) {
		case string:
			out = append(out, review.Segment{Name: s})
		case json.Number:
			i, err := s.Int64()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, review.Segment{ByIndex: true, Index: int(i)})
		case map[string]any:
			where := map[string]string{}
			for name, v := range s {
				where[name] = v.(string)
			}
			out = append(out, review.Segment{Where: where})
		}
	}
	return out
}

// value decodes as the policy engine does, numbers as json.Number.
func value(t testing.TB, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewBufferString(text))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// edit reads an edit as policies write it; the policy is named p unless it says otherwise.
func edit(t testing.TB, text string) review.Edit {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out := review.Edit{Policy: "p", Value: value(t, string(raw["value"]))}
	for name, v := range raw {
		switch name {
		case "policy":
			out.Policy = value(t, string(v)).(string)
		case "onFault":
			out.OnFault = review.Effect(value(t, string(v)).(string))
		case "key":
			out.Key = value(t, string(v)).(string)
		case "value":
		default:
			out.Op, out.Path = review.EditOp(name), path(t, string(v))
		}
	}
	return out
}

func edits(t testing.TB, texts ...string) []review.Edit {
	t.Helper()
	var out []review.Edit
	for _, text := range texts {
		out = append(out, edit(t, text))
	}
	return out
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	out, err := decode([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func spelt(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// policies answers every question with the same decision.
func policies(d review.Decision) review.Reviewer {
	return review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) { return d, nil })
}

// editing is a link that changes obj without having anything to ask.
func editing(name string, change func(obj map[string]any)) Mutator {
	return Func(name, func(_ context.Context, _ *review.Request, obj *unstructured.Unstructured) error {
		change(obj.Object)
		return nil
	})
}

func labels(obj map[string]any) map[string]any {
	metadata := obj["metadata"].(map[string]any)
	if metadata["labels"] == nil {
		metadata["labels"] = map[string]any{}
	}
	return metadata["labels"].(map[string]any)
}
