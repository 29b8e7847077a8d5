package policies

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

// specOf makes a Spec of Rego the way a front end would, with every rule it defines asked at validate.
func specOf(t testing.TB, id, rego string, change ...func(*Spec)) Spec {
	t.Helper()
	module, err := ast.ParseModule(id+".rego", rego)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		ID: id, File: id + ".rego", Digest: rego, Package: module.Package.Path, Modules: []*ast.Module{module},
		Enforcement: EnforceDeny, OnError: OnErrorDeny,
	}
	for _, name := range []string{"deny", "warn"} {
		if strings.Contains(rego, "\n"+name) {
			spec.Rules = append(spec.Rules, Rule{Stage: review.Validate, Name: name})
		}
	}
	for _, c := range change {
		c(&spec)
	}
	return spec
}

func at(stage review.Stage, rule string) func(*Spec) {
	return func(s *Spec) { s.Rules = []Rule{{Stage: stage, Name: rule}} }
}

func on(resources ...Resource) func(*Spec) { return func(s *Spec) { s.Match.Resources = resources } }

func compiled(t testing.TB, specs ...Spec) *Set {
	t.Helper()
	set, err := Compile(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// podCreate is the review of a Pod's creation; object replaces the Pod.
func podCreate(t testing.TB, object string) *review.Request {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
		"namespace":"shop","name":"web","userInfo":{"username":"jane"},"object":%s,"oldObject":null}}`, object)
	req, _, err := review.DialectValidate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

const pod = `{"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`

func TestEveryFindingOfEveryPolicyInPolicyOrder(t *testing.T) {
	set := compiled(t,
		specOf(t, "a", "package a\ndeny contains msg if { some c in input.request.object.spec.containers; msg := sprintf(\"%s is wrong\", [c.name]) }"),
		specOf(t, "b", "package b\nwarn contains {\"message\": \"mind\tthis\", \"field\": [\"spec\", \"containers\", 0]}"),
		specOf(t, "c", "package c\ndeny contains {\"msg\": \"other spelling\", \"field\": \"spec\", \"details\": {\"a\": 1}}"),
	)
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"deny a: a is wrong", "deny a: b is wrong", "warn b: mind this (spec.containers[0])", "deny c: other spelling (spec)"}
	for i, f := range d.Findings {
		if got := string(f.Effect) + " " + f.String(); i >= len(want) || got != want[i] {
			t.Errorf("finding %d is %q", i, got)
		}
	}
	if len(d.Findings) != len(want) || d.Verdict != review.Deny || d.Revision != set.Revision() {
		t.Errorf("%+v", d)
	}
	if got := d.Refusal(); got != "3 reasons:\n- a: a is wrong\n- a: b is wrong\n- c: other spelling (spec)" {
		t.Errorf("refusal is %q", got)
	}
}

func TestAReviewThatConcernsNoPolicyIsNotDecoded(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\"", on(Resource{Resource: "configmaps"})))
	req := podCreate(t, pod)
	req.Body = review.Raw("not JSON at all")
	if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != review.Allow {
		t.Errorf("%+v %v", d, err)
	}
	req.Target.Resource = "configmaps"
	if _, err := set.Review(t.Context(), req); err == nil {
		t.Error("a body that is not JSON was judged")
	}
}

func TestWhatAStageMeansWhenNobodyRefuses(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains \"no\" if false"))
	for stage, want := range map[review.Stage]review.Verdict{
		review.Validate: review.Allow, review.Mutate: review.Allow, review.Image: review.Allow,
		review.Guard: review.NoOpinion, review.Grant: review.NoOpinion, review.Authenticate: review.NoOpinion,
		"": review.Deny, "unheard-of": review.Deny,
	} {
		req := podCreate(t, pod)
		req.Stage = stage
		if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != want {
			t.Errorf("%q: %v %v, want %v", stage, d.Verdict, err, want)
		}
	}
}

// To Rego a misspelt import is merely undefined, and the rule would never refuse.
func TestWhatNothingDefinesIsNotReferredTo(t *testing.T) {
	for rego, want := range map[string]string{
		"package a\nimport data.portcullis.kubernets\ndeny contains \"no\" if kubernets.object":  "a.rego:3: data.portcullis.kubernets.object is defined by no policy here; objects of the cluster are at data.kubernetes[kind]",
		"package a\ndeny contains \"no\" if data[input.request.name].foo":                        "a.rego:2: data[...] with a name that is only known when the rule is evaluated cannot be checked; write the name behind data out",
		"package a\n\ndeny contains name if data[name].foo":                                      "a.rego:3: data[...] with a name that is only known when the rule is evaluated cannot be checked; write the name behind data out",
		"package a\ndeny contains \"no\" if data.kubernetes.namespaces[input.request.namespace]": "a.rego:2: data.kubernetes[\"namespaces\"] is not declared: add \"namespaces\" to data in the policy's METADATA",
	} {
		if _, err := Compile(t.Context(), []Spec{specOf(t, "a", rego)}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", rego, err, want)
		}
	}
}

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

// A policy written for OPA may have members of its own in a finding.
func TestFindingsOfPoliciesForOPAAreTakenAsTheyAre(t *testing.T) {
	set := compiled(t, specOf(t, "a", "package a\ndeny contains {\"msg\": \"no\", \"code\": 7}", func(s *Spec) { s.Lenient = true }))
	if d, err := set.Review(t.Context(), podCreate(t, pod)); err != nil || d.Refusal() != "a: no" {
		t.Errorf("%+v %v", d, err)
	}
}

// slow is Rego whose evaluation takes minutes, and can be cancelled between its steps.
const slow = "package slow\ndeny contains \"never\" if { some a in numbers.range(1, 100000); some b in numbers.range(1, 100000); a + b < 0 }"

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

// A namespace that is not known yet is waited for, once for all policies, and only if one must know it.
func TestArrivals(t *testing.T) {
	selector, err := labels.Parse("tier=prod")
	if err != nil {
		t.Fatal(err)
	}
	selecting := specOf(t, "selecting", "package selecting\ndeny contains \"no\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	again := specOf(t, "again", "package again\ndeny contains \"nor\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	indifferent := specOf(t, "indifferent", "package indifferent\ndeny contains \"ever\"")
	for _, c := range []struct {
		specs  []Spec
		comes  bool
		waited int
		want   string
	}{
		{[]Spec{selecting, again}, true, 1, "again: nor; selecting: no"},
		{[]Spec{selecting}, false, 1, `selecting: the policy could not be evaluated: namespace "shop": ` + errNotKnown.Error()},
		{[]Spec{indifferent}, true, 0, "indifferent: ever"},
	} {
		known, waited := map[string]Namespace{}, 0
		set, err := Compile(t.Context(), c.specs, WithNamespaces(func(name string) (Namespace, bool) {
			ns, ok := known[name]
			return ns, ok
		}), WithArrivals(func(_ context.Context, req *review.Request) {
			if waited++; c.comes {
				known[req.Target.Namespace] = Namespace{Labels: labels.Set{"tier": "prod"}}
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		d, err := set.Review(t.Context(), podCreate(t, pod))
		var got []string
		for _, f := range d.Findings {
			got = append(got, f.String())
		}
		if err != nil || strings.Join(got, "; ") != c.want || waited != c.waited {
			t.Errorf("waited %d times: %q %v", waited, got, err)
		}
	}
}

func TestNamespaces(t *testing.T) {
	selector, err := labels.Parse("tier=prod")
	if err != nil {
		t.Fatal(err)
	}
	selecting := specOf(t, "selecting", "package selecting\ndeny contains \"no\"", func(s *Spec) { s.Match.NamespaceLabels = selector })
	reading := specOf(t, "reading", "package reading\ndeny contains data.helper.name", func(s *Spec) { s.OnError = OnErrorWarn })
	// What another package reads for it counts.
	reading.Modules = append(reading.Modules, specOf(t, "helper", "package helper\nname := input.namespace.metadata.name").Modules...)
	object, err := ParseValue([]byte(`{"metadata":{"name":"shop","labels":{"tier":"prod"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		known map[string]Namespace
		want  string
	}{
		{"known", map[string]Namespace{"shop": {Labels: labels.Set{"tier": "prod"}, Object: object}}, "deny reading: shop; deny selecting: no"},
		{"other labels", map[string]Namespace{"shop": {Labels: labels.Set{"tier": "test"}, Object: object}}, "deny reading: shop"},
		{"unknown", nil, `warn reading: the policy could not be evaluated: namespace "shop": ` + errNotKnown.Error() + "; " +
			`deny selecting: the policy could not be evaluated: namespace "shop": the namespace is not known here (yet); ` +
			`serve learns of namespaces with --kubeconfig, review from Namespaces among the files`},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Compile(t.Context(), []Spec{reading, selecting}, WithNamespaces(func(name string) (Namespace, bool) {
				ns, ok := c.known[name]
				return ns, ok
			}))
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Review(t.Context(), podCreate(t, pod))
			var got []string
			for _, f := range d.Findings {
				got = append(got, string(f.Effect)+" "+f.String())
			}
			if err != nil || strings.Join(got, "; ") != c.want {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

func TestIdentities(t *testing.T) {
	user := func(id, value string) Spec {
		return specOf(t, id, "package "+id+"\nuser := "+value, at(review.Authenticate, "user"))
	}
	for _, c := range []struct {
		name    string
		specs   []Spec
		verdict review.Verdict
		user    string
	}{
		{"one", []Spec{user("a", `{"username": "jane", "groups": ["dev"]}`)}, review.Allow, "jane"},
		{"two alike", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "jane"}`)}, review.Allow, "jane"},
		{"two apart", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "john"}`)}, review.Deny, ""},
		{"two with other audiences", []Spec{user("a", `{"username": "jane"}`), user("b", `{"username": "jane", "audiences": ["x"]}`)}, review.Deny, ""},
		{"two with the same audiences", []Spec{user("a", `{"username": "jane", "audiences": ["x", "y"]}`), user("b", `{"username": "jane", "audiences": ["y", "x"]}`)}, review.Allow, "jane"},
		{"two apart, forgivingly", []Spec{user("a", `{"username": "jane"}`), forgiving(user("b", `{"username": "john"}`))}, review.Deny, ""},
		{"nobody's", []Spec{specOf(t, "a", "package a\nuser := {} if false", at(review.Authenticate, "user"))}, review.NoOpinion, ""},
		{"no name", []Spec{user("a", `{"groups": ["dev"]}`)}, review.Deny, ""},
		{"system user", []Spec{user("a", `{"username": "system:admin"}`)}, review.Deny, ""},
		{"system group", []Spec{user("a", `{"username": "jane", "groups": ["system:masters"]}`)}, review.Deny, ""},
		{"extra in capitals", []Spec{user("a", `{"username": "jane", "extra": {"A": ["b"]}}`)}, review.Deny, ""},
		{"no list", []Spec{user("a", `{"username": "jane", "groups": "dev"}`)}, review.Deny, ""},
		{"refused", []Spec{user("a", `{"username": "jane"}`), specOf(t, "b", "package b\ndeny contains \"revoked\"", at(review.Authenticate, "deny"))}, review.Deny, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}`))
			if err != nil {
				t.Fatal(err)
			}
			d, err := compiled(t, c.specs...).Review(t.Context(), req)
			name := ""
			if d.Identity != nil {
				name = d.Identity.Username
			}
			if err != nil || d.Verdict != c.verdict || name != c.user {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
}

// What a policy says a token is good for is held to what the review asks; saying nothing leaves it to the API server, and a token that is good
// for others only is left to other authenticators.
func TestAudiences(t *testing.T) {
	for _, c := range []struct {
		user, asked string
		want        string // the user's name and audiences, or the verdict
	}{
		{`{"username": "jane"}`, `[]`, "jane []"},
		{`{"username": "jane"}`, `["api"]`, "jane []"},
		{`{"username": "jane", "audiences": ["api", "vault"]}`, `[]`, "jane []"},
		{`{"username": "jane", "audiences": ["api", "vault"]}`, `["vault", "other", "api"]`, "jane [vault api]"},
		{`{"username": "jane", "audiences": {"vault"}}`, `["vault"]`, "jane [vault]"},
		{`{"username": "jane", "audiences": ["vault"]}`, `["api"]`, "no-opinion"},
		{`{"username": "jane", "audiences": []}`, `["api"]`, "no-opinion"},
		{`{"username": "jane", "audiences": []}`, `[]`, "no-opinion"},
	} {
		req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t","audiences":` + c.asked + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		set := compiled(t, specOf(t, "a", "package a\nuser := "+c.user, at(review.Authenticate, "user")))
		d, err := set.Review(t.Context(), req)
		got := d.Verdict.String()
		if d.Identity != nil {
			got = fmt.Sprint(d.Identity.Username, " ", d.Audiences)
		}
		if err != nil || got != c.want || (d.Verdict == review.Allow) != (d.Identity != nil) || d.Identity == nil && d.Audiences != nil {
			t.Errorf("%s for %s: %+v %v, want %s", c.user, c.asked, d, err, c.want)
		}
	}
}

func TestUsersThatAreFaults(t *testing.T) {
	for user, want := range map[string]string{
		`"jane"`:                                    "it returns string where a user should be an object",
		`{"username": "jane", "audience": []}`:      "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": "jane", "Audiences": []}`:     "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": 7}`:                           "it returns a user that is not {username, uid, groups, extra, audiences} with text, text, a list of texts, lists of texts by key and a list of texts",
		`{"username": "jane", "audiences": "api"}`:  "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", "audiences": null}`:   "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", "audiences": [7]}`:    "it returns a user whose audiences are not a list of texts that are not empty",
		`{"username": "jane", input.spec.token: 1}`: "it returns a user with a member that is none of username, uid, groups, extra and audiences",
		`{"username": "jane", "audiences": [""]}`:   "it returns a user whose audiences are not a list of texts that are not empty",
	} {
		req, _, err := review.DialectAuthenticate([]byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}`))
		if err != nil {
			t.Fatal(err)
		}
		d, err := compiled(t, specOf(t, "a", "package a\nuser := "+user, at(review.Authenticate, "user"))).Review(t.Context(), req)
		if err != nil || d.Verdict != review.Deny || !d.Faulty() || d.Refusal() != "a: the policy could not be evaluated: "+want {
			t.Errorf("%s: %+v %v", user, d, err)
		}
	}
}

func forgiving(s Spec) Spec {
	s.OnError = OnErrorAllow
	return s
}

func TestEdits(t *testing.T) {
	mutate := func(edit string) review.Decision {
		set := compiled(t, specOf(t, "a", "package a\nmutate contains "+edit, at(review.Mutate, "mutate")))
		req := podCreate(t, pod)
		req.Stage = review.Mutate
		d, err := set.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := mutate(`{"append": ["spec", "containers", {"name": "a"}, "env", 0], "value": {"name": "X"}, "key": "name"}`)
	if len(d.Edits) != 1 || d.Verdict != review.Allow {
		t.Fatalf("%+v", d)
	}
	if e := d.Edits[0]; e.Policy != "a" || e.Op != review.EditAppend || e.Key != "name" || len(e.Path) != 5 ||
		e.Path[2].Where["name"] != "a" || !e.Path[4].ByIndex {
		t.Errorf("%+v", e)
	}
	for edit, want := range map[string]string{
		`1`:                                      "it returns number where an edit should be an object",
		`{"value": 1}`:                           "it returns an edit without set, default, remove or append",
		`{"set": ["a"]}`:                         "it returns an edit to set with no value, or one to remove with a value",
		`{"remove": ["a"], "value": 1}`:          "it returns an edit to remove with no value, or one to remove with a value",
		`{"set": [], "value": 1}`:                `it returns an edit whose path is not an array of segments such as ["metadata", "labels"]`,
		`{"set": "a", "value": 1}`:               `it returns an edit whose path is not an array of segments such as ["metadata", "labels"]`,
		`{"set": ["a", -1], "value": 1}`:         "it returns an edit with the position -1 in its path",
		`{"set": ["a", null], "value": 1}`:       "it returns an edit with null in its path",
		`{"set": ["a"], "value": 1, "x":1}`:      `it returns an edit with an unknown member "x"`,
		`{"set": ["a"], "remove": ["b"]}`:        "it returns an edit that is both",
		`{"set": ["a"], "value": 1, "key": "k"}`: "it returns an edit to set with a key, which only append takes",
	} {
		d := mutate(edit)
		if d.Verdict != review.Deny || len(d.Edits) != 0 || !strings.Contains(d.Refusal(), want) {
			t.Errorf("%s: %+v", edit, d)
		}
	}
}

// What a shared package works out is worked out once for all policies; what "with" makes of it stays where it is.
func TestSharedPackages(t *testing.T) {
	helper := specOf(t, "helper", "package helper\nnames contains c.name if some c in input.request.object.spec.containers")
	shares := func(s *Spec) {
		s.Modules = append(s.Modules, helper.Modules...)
		s.Shared = []ast.Ref{helper.Package}
	}
	mocking := "package b\ndeny contains sprintf(\"b %v\", [n]) if { n := count(data.helper.names) with input as {} }"
	set := compiled(t,
		specOf(t, "a", "package a\ndeny contains sprintf(\"a %v\", [count(data.helper.names)])", shares),
		specOf(t, "b", mocking, shares),
		specOf(t, "c", "package c\ndeny contains sprintf(\"c %v\", [count(data.helper.names)])", shares),
	)
	d, err := set.Review(t.Context(), podCreate(t, pod))
	if err != nil || d.Refusal() != "3 reasons:\n- a: a 2\n- b: b 0\n- c: c 2" {
		t.Errorf("%v %v", d.Refusal(), err)
	}
	// The next request has a value of its own.
	d, err = set.Review(t.Context(), podCreate(t, `{"spec":{"containers":[{"name":"only"}]}}`))
	if err != nil || d.Refusal() != "3 reasons:\n- a: a 1\n- b: b 0\n- c: c 1" {
		t.Errorf("%v %v", d.Refusal(), err)
	}
	in, err := set.inputs(podCreate(t, pod))
	if err != nil {
		t.Fatal(err)
	}
	in = in.unshared()
	for _, rule := range set.index.candidates(podCreate(t, pod)) {
		if got := ask(t.Context(), rule, in, nil); got.err != nil {
			t.Fatal(got.err)
		}
	}
	if keys := in.shared.Keys(); len(keys) != 1 || keys[0].String() != "data.helper.names" {
		t.Errorf("shared are %v", keys)
	}
}

// A policy that counts on a built-in function's failure being told is told of it, whoever asked the shared package before.
func TestAFailureIsNotShared(t *testing.T) {
	helper := specOf(t, "helper", "package helper\nlarge if to_number(input.request.object.spec.size) > 5\nnames contains c.name if some c in input.request.object.spec.containers")
	shares := func(s *Spec) {
		s.Modules = append(s.Modules, helper.Modules...)
		s.Shared = []ast.Ref{helper.Package}
	}
	rego := func(id string) string { return "package " + id + "\ndeny contains \"no\" if data.helper.large" }
	set := compiled(t,
		specOf(t, "a", rego("a"), shares, func(s *Spec) { s.Lenient = true }),
		specOf(t, "b", rego("b"), shares),
		specOf(t, "c", rego("c"), shares),
	)
	d, err := set.Review(t.Context(), podCreate(t, `{"spec":{"size":"99x"}}`))
	const fault = "the policy could not be evaluated: to_number failed at helper.rego:2"
	if err != nil || d.Refusal() != "2 reasons:\n- b: "+fault+"\n- c: "+fault {
		t.Errorf("%v %v", d.Refusal(), err)
	}
}
