package decisions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// erasing records one decision with erasures, and returns the record and its line.
func erasing(t *testing.T, pointers []string, req *review.Request, d review.Decision, wrong error) (Record, string) {
	t.Helper()
	erase, err := ParseErasures(pointers)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r := New(Stream(&out), Options{Erase: erase})
	r.Hear(req, d, wrong, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Start(ctx); err != nil {
		t.Fatal(err)
	}
	var record Record
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	for _, pointer := range record.Erased {
		if strings.HasPrefix(pointer, "/input") && !strings.Contains(pointer, "/0") && at(t, out.Bytes(), pointer) != "(erased)" {
			t.Errorf("at %s there is not (erased): %s", pointer, out.String())
		}
	}
	return record, out.String()
}

const environment = "/input/request/object/spec/containers/*/env/*/value"

func TestWhatUsersChooseIsErased(t *testing.T) {
	pod := `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{` + canary + `}","a/b~c":"` + canary + `"}},` +
		`"spec":{"containers":[{"name":"a","env":[{"name":"x","value":"` + canary + `"},{"name":"y"}]},{"env":[]},{}],"kept":{}}}`
	req := question(t, "u", "pods", `"object":`+pod+`,"oldObject":`+pod, "UPDATE")
	annotation := "/input/request/object/metadata/annotations/a~1b~0c"
	record, text := erasing(t, []string{environment, annotation}, req, review.Decision{Findings: []review.Finding{
		{Policy: "p", Effect: review.EffectDeny, Message: "the value " + canary + " is bad", Field: canary, Cause: "eval: \"" + canary + "\""},
	}}, nil)
	if strings.Contains(text, canary) {
		t.Errorf("the record is %s", text)
	}
	want := []string{
		"/input/request/object/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", annotation,
		"/input/request/object/spec/containers/0/env/0/value",
	}
	for _, pointer := range want[:3] {
		want = append(want, strings.Replace(pointer, "object", "oldObject", 1))
	}
	want = append(want, "/result/findings/0/message", "/result/findings/0/field", "/result/findings/0/cause")
	if !slices.Equal(record.Erased, want) {
		t.Errorf("erased is %q, want %q", record.Erased, want)
	}
	for _, kept := range []string{`{"name":"a","env":[{"name":"x","value":"(erased)"},{"name":"y"}]},{"env":[]},{}],"kept":{}`, `"message":"the value (erased) is bad"`} {
		if !strings.Contains(text, kept) {
			t.Errorf("%s is missing in %s", kept, text)
		}
	}
}

func TestPatchesAreErasedWhereTheObjectIs(t *testing.T) {
	for _, c := range []struct{ name, patch, want string }{
		{"the value itself", `[{"op":"replace","path":"/spec/containers/0/env/1/value","value":"` + canary + `"}]`, `[{"op":"replace","path":"/spec/containers/0/env/1/value","value":"(erased)"}]`},
		{"what is around it", `[{"op":"add","path":"/spec/containers","value":[{"env":[{"name":"n","value":"` + canary + `"}]}]}]`, `[{"op":"add","path":"/spec/containers","value":[{"env":[{"name":"n","value":"(erased)"}]}]}]`},
		{"one more", `[{"op":"add","path":"/spec/containers/0/env/-","value":{"name":"n","value":"` + canary + `"}}]`, `[{"op":"add","path":"/spec/containers/0/env/-","value":{"name":"n","value":"(erased)"}}]`},
		{"what is below it", `[{"op":"add","path":"/spec/containers/0/env/0/value/x","value":"` + canary + `"}]`, `[{"op":"add","path":"/spec/containers/0/env/0/value/x","value":"(erased)"}]`},
		{"the whole", `[{"op":"replace","path":"","value":{"spec":{"containers":[{"env":[{"value":"` + canary + `"}]}]}}}]`, `[{"op":"replace","path":"","value":{"spec":{"containers":[{"env":[{"value":"(erased)"}]}]}}}]`},
		{"another", `[{"op":"add","path":"/spec/x","value":"kept"},{"op":"remove","path":"/spec/containers/0/env/0/value"}]`, `[{"op":"add","path":"/spec/x","value":"kept"},{"op":"remove","path":"/spec/containers/0/env/0/value"}]`},
		{"what is no patch", `{"x":"` + canary + `"}`, `"(erased)"`},
	} {
		record, text := erasing(t, []string{environment}, question(t, "u", "pods", `"object":{}`), review.Decision{Verdict: review.Allow, Patch: []byte(c.patch)}, nil)
		if string(record.Result.Patch) != c.want || strings.Contains(text, canary) || (len(record.Erased) == 0) != strings.Contains(c.want, "kept") {
			t.Errorf("%s: the patch is %s, erased %q", c.name, record.Result.Patch, record.Erased)
		}
	}
}

func TestFieldsOfTheAnswerAreErased(t *testing.T) {
	d := review.Decision{Verdict: review.Allow, Identity: &review.User{Username: canary}, Patch: []byte(`["` + canary + `"]`), Findings: []review.Finding{
		{Policy: "p", Effect: review.EffectWarn, Message: canary, Field: canary, Cause: canary},
	}}
	req := question(t, "u", "pods", `"object":{}`)
	record, text := erasing(t, erasable(), req, d, nil)
	if strings.Contains(text, canary) || len(record.Erased) != 5 {
		t.Errorf("the record is %s", text)
	}
	if _, text := erasing(t, erasable(), req, d, errors.New(canary)); strings.Contains(text, canary) {
		t.Errorf("the record is %s", text)
	}
}

// Of so much that was erased that it cannot be looked for, nothing that is said is kept.
func TestOfTooMuchThatWasErasedNothingIsSaid(t *testing.T) {
	values := `"` + strings.Repeat(`abcdefgh","`, maxQuotes+1) + canary + `"`
	_, text := erasing(t, []string{"/input/request/object/data"}, question(t, "u", "configmaps", `"object":{"data":[`+values+`]}`),
		review.Decision{Findings: []review.Finding{{Policy: "p", Effect: review.EffectDeny, Message: "it says " + canary}}}, nil)
	if !strings.Contains(text, `"message":"(erased)"`) {
		t.Errorf("the record is %s", text)
	}
}

func TestWhatCannotBeErasedIsRefused(t *testing.T) {
	const fields = "/error, /event/requestURI, /event/sourceIPs, /event/userAgent, /result/findings/*/cause, /result/findings/*/field, /result/findings/*/message, /result/patch, /result/user"
	for pointer, want := range map[string]string{
		"":                                  `"" cannot be erased: it leads neither below /input nor to one of ` + fields,
		"/input/":                           `"/input/" cannot be erased: it leads neither below /input nor to one of ` + fields,
		"/decision_id":                      `"/decision_id" cannot be erased: it leads neither below /input nor to one of ` + fields,
		"/result/verdict":                   `"/result/verdict" cannot be erased: it leads neither below /input nor to one of ` + fields,
		"input/x":                           `"input/x" cannot be erased: it leads neither below /input nor to one of ` + fields,
		"/input/a~2":                        `"/input/a~2" cannot be erased: it is no JSON pointer: after ~ stands neither 0 nor 1`,
		"/input" + strings.Repeat("/a", 33): `"/input` + strings.Repeat("/a", 33) + `" cannot be erased: it has more than 32 steps`,
	} {
		if _, err := ParseErasures([]string{pointer}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Whatever the document and the place, a record remains JSON, and nothing but the place is changed.
func FuzzErase(f *testing.F) {
	f.Add([]byte(`{"request":{"object":{"a":[{"b":1},2]}}}`), "/input/request/object/a/*/b")
	f.Add([]byte(`{"x":[[1],[]]}`), "/input/*/0")
	f.Fuzz(func(t *testing.T, body []byte, pointer string) {
		erase, err := ParseErasures([]string{pointer})
		if err != nil || !json.Valid(body) {
			return
		}
		m := mask(&review.Request{Stage: review.Validate, Body: body}, erase)
		if !json.Valid(m.input) {
			t.Errorf("%s became %s", body, m.input)
		}
	})
}
