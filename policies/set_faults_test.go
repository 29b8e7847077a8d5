package policies

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Where a rule gives something, a function that fails gives nothing, and that is no fault.
func TestAFailingFunctionGivesNothing(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\nuser := {\"username\": \"jane\"} if json.unmarshal(input.spec.token)", at(review.Authenticate, "user")))
	req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"opaque"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != review.NoOpinion || len(d.Findings) > 0 {
		t.Errorf("%+v %v", d, err)
	}
}

// A built-in function that fails is undefined to Rego, and under "not" that is true: what a rule gives then is not given.
func TestAFailureGivesNothing(t *testing.T) {
	const expired = "expired if time.now_ns() > time.parse_rfc3339_ns(input.spec.extra.until[0])\n"
	for _, c := range []struct {
		name, until string
		lenient     bool
		rego        string
		stage       review.Stage
		onError     OnError
		verdict     review.Verdict
		faulty      int
	}{
		{name: "still valid", until: "2199-01-01T00:00:00Z", rego: "allow if not expired", verdict: review.Allow},
		{name: "expired", until: "1999-01-01T00:00:00Z", rego: "allow if not expired", verdict: review.NoOpinion},
		{name: "garbage", until: "garbage", rego: "allow if not expired", verdict: review.NoOpinion, faulty: 1},
		{name: "garbage, with a reason", until: "garbage", rego: "allow contains \"x\" if not expired", verdict: review.NoOpinion, faulty: 1},
		{name: "garbage, to a policy written for OPA", until: "garbage", lenient: true, rego: "allow if not expired", verdict: review.NoOpinion, faulty: 1},
		{name: "garbage that gives nothing", until: "garbage", rego: "allow if expired", verdict: review.NoOpinion},
		{name: "garbage that gives no reason", until: "garbage", rego: "allow contains \"x\" if expired", verdict: review.NoOpinion},
		{name: "garbage that gives no", until: "garbage", rego: "default allow := false\nallow if expired", verdict: review.NoOpinion},
		{name: "a user", until: "garbage", stage: review.Authenticate, rego: `user := {"username": "bob"} if not expired`, verdict: review.Deny, faulty: 1},
		{name: "a user, forgivingly", until: "garbage", stage: review.Authenticate, rego: `user := {"username": "bob"} if not expired`, onError: OnErrorAllow, verdict: review.NoOpinion, faulty: 1},
		{name: "no user", until: "garbage", stage: review.Authenticate, rego: `user := {"username": "bob"} if expired`, verdict: review.NoOpinion},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage, rule := review.Grant, "allow"
			if c.stage == review.Authenticate {
				stage, rule = c.stage, "user"
			}
			set := compiled(t, specOf(t, "a", "package a\n"+expired+c.rego, at(stage, rule), func(s *Spec) {
				s.Lenient = c.lenient
				s.OnError = cmp.Or(c.onError, OnErrorDeny)
			}))
			req := &review.Request{Stage: stage, Verb: "get", Target: review.Target{Resource: "pods"}, Body: review.Raw(`{"spec":{"extra":{"until":["` + c.until + `"]}}}`)}
			d, err := set.Review(t.Context(), req)
			faults := 0
			for _, f := range d.Findings {
				if f.Fault && f.Message == "the policy could not be evaluated: time.parse_rfc3339_ns failed at a.rego:2" {
					faults++
				}
			}
			if err != nil || d.Verdict != c.verdict || d.Identity != nil || faults != c.faulty {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
}

func TestFaultsAreAnsweredByOnError(t *testing.T) {
	conflict := "package a\ndeny contains f(1)\nf(x) := 1 if x > 0\nf(x) := 2 if x < 2"
	for _, c := range []struct {
		name, rego string
		onError    OnError
		verdict    review.Verdict
		message    string
	}{
		{"conflict", conflict, OnErrorDeny, review.Deny, "the policy could not be evaluated: eval_conflict_error at a.rego:4"},
		{"conflict", conflict, OnErrorWarn, review.Allow, "the policy could not be evaluated: eval_conflict_error at a.rego:4"},
		{"conflict", conflict, OnErrorAllow, review.Allow, "the policy could not be evaluated: eval_conflict_error at a.rego:4"},
		{
			"number", "package a\ndeny contains 1", OnErrorDeny, review.Deny,
			"the policy could not be evaluated: it returns number where a finding should be a sentence or an object with a message",
		},
		{
			"built-in function", "package a\ndeny contains \"no\" if to_number(\"99x\") > 5", OnErrorDeny, review.Deny,
			"the policy could not be evaluated: to_number failed at a.rego:2",
		},
		{
			"an argument of another type", "package a\ndeny contains \"no\" if startswith(input.request.object.metadata, \"x\")", OnErrorDeny, review.Deny,
			"the policy could not be evaluated: startswith failed at a.rego:2",
		},
		{
			"unknown member", "package a\ndeny contains {\"message\": \"no\", \"fields\": \"spec\"}", OnErrorDeny, review.Deny,
			`the policy could not be evaluated: it returns a finding with an unknown member "fields"; a finding has message, field and details`,
		},
		{
			"no message", "package a\ndeny contains {\"field\": \"spec\"}", OnErrorDeny, review.Deny,
			"the policy could not be evaluated: it returns a finding without a message",
		},
	} {
		t.Run(c.name+" "+string(c.onError), func(t *testing.T) {
			set := compiled(t, specOf(t, "a", c.rego, func(s *Spec) { s.OnError = c.onError }))
			d, err := set.Review(t.Context(), podCreate(t, pod))
			if err != nil || d.Verdict != c.verdict || len(d.Findings) != 1 || !d.Findings[0].Fault || d.Findings[0].Message != c.message {
				t.Errorf("%+v %v", d, err)
			}
			if d.Faulty() != (c.verdict == review.Deny) {
				t.Errorf("Faulty() is %v", d.Faulty())
			}
		})
	}
}

// What OPA says may quote the review: it is for who operates the server.
func TestAFaultsCauseIsNotForTheUser(t *testing.T) {
	policy := specOf(t, "policies/a", "package a\ndeny contains \"no\" if to_number(input.request.object.metadata.name) > 5")
	d, err := compiled(t, policy).Review(t.Context(), podCreate(t, `{"metadata":{"name":"hunter2"}}`))
	if err != nil || len(d.Findings) != 1 {
		t.Fatalf("%+v %v", d, err)
	}
	f := d.Findings[0]
	if f.Message != "the policy could not be evaluated: to_number failed at policies/a.rego:2" ||
		f.Cause != `to_number: strconv.ParseFloat: parsing "hunter2": invalid syntax` || strings.Contains(d.Refusal(), "hunter2") {
		t.Errorf("%+v", f)
	}
}

func TestASlowPolicyIsAFaultAndTheOthersAreAskedAllTheSame(t *testing.T) {
	set := compiled(t,
		specOf(t, "a", slow, func(s *Spec) { s.OnError = OnErrorWarn }),
		specOf(t, "b", "package b\ndeny contains \"no\""))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	d, err := set.Review(ctx, podCreate(t, pod))
	if err != nil || len(d.Findings) != 2 {
		t.Fatalf("%+v %v", d, err)
	}
	if d.Findings[0].String() != "a: the policy could not be evaluated: it did not answer in time" || d.Findings[0].Effect != review.EffectWarn {
		t.Errorf("%+v", d.Findings[0])
	}
	if d.Findings[1].String() != "b: no" || d.Verdict != review.Deny {
		t.Errorf("%+v", d.Findings[1])
	}
}

func TestWithoutTimeNobodyIsAskedAndOnErrorDecides(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\" if false"), specOf(t, "b", "package b\nwarn contains \"x\""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d, err := set.Review(ctx, podCreate(t, pod))
	if err != nil || d.Verdict != review.Deny || len(d.Findings) != 2 || !d.Faulty() {
		t.Errorf("%+v %v", d, err)
	}
}

func TestAPanicIsAFault(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\""))
	set.policies[0].store = nil // a nil store panics when it is used
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Verdict != review.Deny || !d.Faulty() ||
		d.Findings[0].Message != "the policy could not be evaluated: its evaluation panicked" {
		t.Errorf("%+v %v", d, err)
	}
}
