package decisions

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// canary is what must not be found in any record.
const canary = "Zm9yIHlvdXIgZXllcyBvbmx5"

func TestCredentialsAreMasked(t *testing.T) {
	object := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","annotations":{"a/b":"kept","kubectl.kubernetes.io/last-applied-configuration":"{` + canary + `}"}},` +
		`"type":"Opaque","data":{"password":"` + canary + `"},"stringData":{"p":"` + canary + `"}}`
	secret := []string{
		"/input/request/object/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
		"/input/request/object/data", "/input/request/object/stringData",
	}
	for _, c := range []struct {
		name   string
		req    *review.Request
		erased []string
		kept   []string
	}{
		{"a Secret", question(t, "u", "secrets", `"object":`+object), secret, []string{`"name":"db"`, `"a/b":"kept"`, `"type":"Opaque"`}},
		{
			"an old Secret", question(t, "u", "secrets", `"object":null,"oldObject":`+object, "DELETE"),
			[]string{strings.Replace(secret[0], "object", "oldObject", 1), "/input/request/oldObject/data", "/input/request/oldObject/stringData"},
			[]string{`"object":null`},
		},
		{
			"a Secret whose names are spelt with escapes", question(t, "u", "secrets", `"\u006fbject":{"d\u0061ta":{"p":"`+canary+`"}}`),
			[]string{"/input/request/object/data"},
			nil,
		},
		{
			"a Secret whose data is not what it should be", question(t, "u", "secrets", `"object":{"data":"`+canary+`","stringData":["`+canary+`"]}`),
			[]string{"/input/request/object/data", "/input/request/object/stringData"},
			nil,
		},
		{
			"the token of a service account", question(t, "u", "serviceaccounts", `"subResource":"token","object":{"spec":{"audiences":["a"]},"status":{"token":"`+canary+`"}}`),
			[]string{"/input/request/object/status"},
			[]string{`"audiences":["a"]`},
		},
		{"anything else", question(t, "u", "configmaps", `"object":{"data":{"x":"y"}}`), nil, []string{`"data":{"x":"y"}`}},
		{"secrets of another group", otherGroup(t), nil, []string{`"data":{"x":"y"}`}},
		{"a token", tokenReview(t, canary), []string{"/input/spec/token"}, []string{`"audiences":["a"]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			recorded(t, &out, []*review.Request{c.req}, review.Decision{Verdict: review.Allow}, nil)
			var r Record
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.String(), canary) {
				t.Errorf("the record is %s", out.String())
			}
			if !slices.Equal(r.Erased, c.erased) {
				t.Errorf("erased is said to be %q, want %q", r.Erased, c.erased)
			}
			for _, kept := range c.kept {
				if !strings.Contains(out.String(), kept) {
					t.Errorf("%s is missing in %s", kept, out.String())
				}
			}
			for _, pointer := range r.Erased {
				if got := at(t, out.Bytes(), pointer); got != "(erased)" {
					t.Errorf("at %s there is %v", pointer, got)
				}
			}
		})
	}
}

func otherGroup(t *testing.T) *review.Request {
	req := question(t, "u", "secrets", `"object":{"data":{"x":"y"}}`)
	req.Target.Group = "example.com"
	return req
}

func tokenReview(t *testing.T, token string) *review.Request {
	t.Helper()
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","spec":{"token":` + string(text) + `,"audiences":["a"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// at follows a JSON pointer.
func at(t *testing.T, text []byte, pointer string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	for _, step := range strings.Split(pointer, "/")[1:] {
		members, _ := value.(map[string]any)
		value = members[unescape(step)]
	}
	return value
}

func TestThePatchOfASecretIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	recorded(t, &out, []*review.Request{question(t, "u", "secrets", `"object":{}`)},
		review.Decision{Verdict: review.Allow, Patch: []byte(`[{"op":"add","path":"/data/x","value":"` + canary + `"}]`)}, nil)
	if text := out.String(); !strings.Contains(text, `"erased":["/result/patch"],"result":{"verdict":"allow","patch":"(erased)"}`) || strings.Contains(text, canary) {
		t.Errorf("the record is %s", out.String())
	}
}

// A policy may quote what it read, in any encoding; of a Secret only who spoke and to what effect is kept, and the record says so.
func TestWhatPoliciesSayOfASecretIsLeftOut(t *testing.T) {
	said := review.Decision{Findings: []review.Finding{
		{Policy: "a", Effect: review.EffectDeny, Message: "the password " + canary + " is weak", Field: "data." + canary},
		{Policy: "b", Effect: review.EffectWarn, Message: "hm " + canary, Fault: true, Cause: "parsing " + canary},
	}}
	for resource, want := range map[string]string{
		"secrets": `"erased":["/result/findings/0/message","/result/findings/0/field","/result/findings/1/message","/result/findings/1/cause"],"result":{"verdict":"deny","findings":[` +
			`{"policy":"a","effect":"deny","message":"(erased)","field":"(erased)"},{"policy":"b","effect":"warn","message":"(erased)","fault":true,"cause":"(erased)"}]}`,
		"configmaps": `"result":{"verdict":"deny","findings":[{"policy":"a","effect":"deny","message":"the password ` + canary + ` is weak","field":"data.` + canary +
			`"},{"policy":"b","effect":"warn","message":"hm ` + canary + `","fault":true,"cause":"parsing ` + canary + `"}]}`,
	} {
		var out bytes.Buffer
		recorded(t, &out, []*review.Request{question(t, "u", resource, `"object":{}`)}, said, nil)
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), canary) != (resource != "secrets") {
			t.Errorf("%s: the record is %s", resource, out.String())
		}
	}
}

// What a policy says of a token it was asked about is not kept word for word: messages are cut, so a part of it counts too.
func TestWhatPoliciesSayOfATokenIsHidden(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"
	said := "the token " + token + " is bad"
	cut := review.Sentence("x "+token, 20)
	var out bytes.Buffer
	recorded(t, &out, []*review.Request{tokenReview(t, token)}, review.Decision{
		Identity: &review.User{Username: token},
		Findings: []review.Finding{{Policy: "p", Effect: review.EffectDeny, Message: said, Field: token}, {Policy: "p", Effect: review.EffectDeny, Message: cut}},
	}, nil)
	recorded(t, &out, []*review.Request{tokenReview(t, token)}, review.Decision{}, errors.New(said))
	text := out.String()
	const piece = 8
	for i := range len(token) - piece + 1 {
		if strings.Contains(text, token[i:i+piece]) {
			t.Fatalf("%q is in the record %s", token[i:i+piece], text)
		}
	}
	for _, want := range []string{`"message":"the token (token) is bad"`, `"field":"(token)"`, `"message":"x (token)…"`, `"user":"(token)"`, `"error":"the token (token) is bad"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

// Masking leaves a document what it was but for what it erased, whatever the document.
func FuzzMask(f *testing.F) {
	f.Add([]byte(`{"request":{"object":{"data":{"a":"b"},"x":[1,{"data":2}]}}}`))
	f.Add([]byte(`{"request":{"object":{"metadata":{"annotations":{"a~/b":"c"}},"data":null},"a/b":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		req := &review.Request{Stage: review.Validate, Target: review.Target{Resource: "secrets"}, Body: body}
		m := mask(req, Erasures{})
		if err := rawjson.Check(m.input); err != nil {
			t.Fatalf("%v: %s", err, m.input)
		}
		var before, after any
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(m.input, &after) != nil {
			return
		}
		for _, pointer := range m.erased {
			replace(t, before, strings.TrimPrefix(pointer, "/input"))
		}
		x, _ := json.Marshal(before)
		y, _ := json.Marshal(after)
		if !bytes.Equal(x, y) {
			t.Errorf("%s\nbecame %s\nwith %q erased", body, m.input, m.erased)
		}
	})
}

// replace puts what stands for erased text at a pointer.
func replace(t *testing.T, value any, pointer string) {
	t.Helper()
	steps := strings.Split(pointer, "/")[1:]
	for i, step := range steps {
		name := unescape(step)
		members, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("there is nothing at %s", pointer)
		}
		if i == len(steps)-1 {
			members[name] = "(erased)"
		}
		value = members[name]
	}
}
