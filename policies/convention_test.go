package policies

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/review"
)

// violationOf makes a Spec as a front end makes it of a template and a constraint.
func violationOf(t testing.TB, id, rego string, change ...func(*Spec)) Spec {
	t.Helper()
	module, err := ast.ParseModuleWithOpts(id+".yaml", rego, ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{
		ID: id, File: id + ".yaml", Digest: rego, Convention: Gatekeeper, Package: module.Package.Path, Modules: []*ast.Module{module},
		Rules: []Rule{{Stage: review.Validate, Name: ViolationRule}}, Enforcement: EnforceDeny, OnError: OnErrorDeny, Lenient: true,
	}
	for _, c := range change {
		c(&spec)
	}
	return spec
}

func given(parameters string) func(*Spec) {
	return func(s *Spec) { s.Parameters = ast.MustParseTerm(parameters).Value }
}

// admissionOf reads the review of a request with these members.
func admissionOf(t testing.TB, members string) *review.Request {
	t.Helper()
	req, _, err := review.DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1",` + members + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// verdict lists all that came of a review.
func verdict(t testing.TB, set *Set, req *review.Request) string {
	t.Helper()
	d, err := set.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range d.Findings {
		found = append(found, fmt.Sprintf("%s (%s): %s", f.Policy, f.Effect, f.Message))
	}
	return fmt.Sprintf("%s [%s]", d.Verdict, strings.Join(found, "; "))
}

const aboutPods = `"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop",`

// echo says what it sees.
const echo = "package template\nviolation[{\"msg\": \"seen\", \"details\": input}] { true }"

func TestInputOfTheGatekeeperConvention(t *testing.T) {
	shop := WithNamespaces(func(name string) (Namespace, bool) {
		return Namespace{Labels: labels.Set{}, Object: ast.MustParseTerm(`{"metadata": {"name": "shop"}}`).Value}, name == "shop"
	})
	common := `"kind":{"group":"","kind":"Pod","version":"v1"},"resource":{"group":"","resource":"pods","version":"v1"},"uid":"u1",`
	for name, test := range map[string]struct {
		request string
		change  []func(*Spec)
		options []Option
		want    string
	}{
		"a creation": {
			request: aboutPods + `"operation":"CREATE","userInfo":{"username":"jane"},"object":{"n":10000000000000001},"options":{"a":1},"dryRun":true`,
			want: `{"parameters":{},"review":{` + common + `"operation":"CREATE","userInfo":{"username":"jane"},"object":{"n":10000000000000001},
				"oldObject":null,"options":{"a":1},"dryRun":true,"namespace":"shop","namespaceObject":{}}}`,
		},
		"parameters and a namespace that is known": {
			request: aboutPods + `"operation":"CREATE","object":{}`, change: []func(*Spec){given(`{"a": [1.5]}`)}, options: []Option{shop},
			want: `{"parameters":{"a":[1.5]},"review":{` + common + `"operation":"CREATE","userInfo":{},"object":{},"oldObject":null,"options":null,
				"namespace":"shop","namespaceObject":{"metadata":{"name":"shop"}}}}`,
		},
		"a deletion": {
			request: aboutPods + `"operation":"DELETE","userInfo":{},"object":null,"oldObject":{"a":1}`,
			want: `{"parameters":{},"review":{` + common + `"operation":"DELETE","userInfo":{},"object":{"a":1},"oldObject":{"a":1},"options":null,
				"namespace":"shop","namespaceObject":{}}}`,
		},
		"a Namespace": {
			request: `"kind":{"group":"","version":"v1","kind":"Namespace"},"resource":{"group":"","version":"v1","resource":"namespaces"},
				"namespace":"shop","name":"shop","operation":"CREATE","userInfo":{},"object":{}`, options: []Option{shop},
			want: `{"parameters":{},"review":{"kind":{"group":"","kind":"Namespace","version":"v1"},
				"resource":{"group":"","resource":"namespaces","version":"v1"},"uid":"u1","name":"shop","operation":"CREATE","userInfo":{},
				"object":{},"oldObject":null,"options":null,"namespaceObject":{}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Compile(t.Context(), []Spec{violationOf(t, "a", echo, test.change...)}, test.options...)
			if err != nil {
				t.Fatal(err)
			}
			d, err := set.Review(t.Context(), admissionOf(t, test.request))
			if err != nil || len(d.Findings) != 1 || d.Findings[0].Fault {
				t.Fatalf("%+v, %v", d.Findings, err)
			}
			got, err := json.Marshal(d.Findings[0].Details)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := ast.MustParseTerm(string(got)), ast.MustParseTerm(test.want); !a.Equal(b) {
				t.Errorf("got  %s\nwant %s", a, b)
			}
		})
	}
}

func TestDeletionOfSomethingUnknownIsAFault(t *testing.T) {
	set := compiled(t, violationOf(t, "a", echo, func(s *Spec) { s.OnError = OnErrorWarn }),
		specOf(t, "b", "package b\ndeny contains \"asked\""))
	got := verdict(t, set, admissionOf(t, aboutPods+`"operation":"DELETE","object":null,"oldObject":null`))
	want := "deny [a (warn): the policy could not be evaluated: the review of a DELETE has no oldObject, and so there is nothing to judge; this is no judgement of the object: ask whoever looks after the constraint a; b (deny): asked]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestViolations(t *testing.T) {
	for name, test := range map[string]struct{ rego, want string }{
		"a set":                 {`violation[{"msg": "b"}] { true } violation[{"msg": "a", "details": {"x": 1}}] { true }`, `a map[x:1]; b <nil>`},
		"equal but for others":  {`violation[{"msg": "a", "n": n}] { n := [1, 2][_] }`, `a <nil>`},
		"other details":         {`violation[{"msg": "a", "details": {"n": n}}] { n := [1, 2][_] }`, `a map[n:1]; a map[n:2]`},
		"no details and empty":  {`violation[{"msg": "a"}] { true } violation[{"msg": "a", "details": {}}] { true }`, `a <nil>`},
		"no msg":                {`violation[{"message": "a"}] { true } violation["b"] { true }`, ``},
		"a whole set":           {`violation = {{"msg": "a"}, {"other": 1}}`, `a <nil>`},
		"an array":              {`violation = [{"msg": "a"}]`, ``},
		"an object":             {`violation = {"a": {"msg": "a"}}`, ``},
		"text":                  {`violation = "a"`, ``},
		"a msg that is no text": {`violation[{"msg": 1}] { true } violation[{"msg": "a"}] { true }`, `fault: the policy could not be evaluated: it returns a violation whose msg is number, not a sentence; this is no judgement of the object: ask whoever looks after the constraint a`},
		"an empty msg":          {`violation[{"msg": ""}] { true }`, `refused without a reason <nil>`},
		"a function that fails": {`violation[{"msg": "a"}] { to_number("x") > 1 } violation[{"msg": "b"}] { true }`, `b <nil>`},
		"a conflict":            {`f(x) = 1 { true } f(x) = 2 { input } violation[{"msg": "a"}] { f(1) == 1 }`, `fault: the policy could not be evaluated: eval_conflict_error at a.yaml:2; this is no judgement of the object: ask whoever looks after the constraint a`},
		"deprecated functions":  {`violation[{"msg": "a"}] { any([true]); all([true]); re_match("a", "a"); cast_string("a") }`, `a <nil>`},
		"print":                 {`violation[{"msg": "a"}] { print(input) }`, `a <nil>`},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := compiled(t, violationOf(t, "a", "package template\n"+test.rego)).Review(t.Context(), podCreate(t, pod))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range d.Findings {
				if f.Fault {
					got = append(got, "fault: "+f.Message)
				} else {
					got = append(got, fmt.Sprintf("%s %v", f.Message, f.Details))
				}
			}
			if s := strings.Join(got, "; "); s != test.want {
				t.Errorf("got  %s\nwant %s", s, test.want)
			}
		})
	}
}

func TestForbiddenToGatekeepersPolicies(t *testing.T) {
	_, err := Compile(t.Context(), []Spec{violationOf(t, "a", "package template\nviolation[{\"msg\": \"a\"}] { http.send({}) }")})
	if want := "a.yaml:2: http.send is not available to policies: a policy reaches nothing outside the server"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Policies of both conventions are judged in one pass, and each sees its own input.
func TestConventionsSideBySide(t *testing.T) {
	set := compiled(t,
		violationOf(t, "a", `package template
			violation[{"msg": msg}] { not input.request; msg := input.review.object.spec.containers[_].name }`),
		specOf(t, "b", "package b\ndeny contains msg if { not input.review; msg := input.request.object.metadata.name }"))
	if got, want := verdict(t, set, podCreate(t, pod)), "deny [a (deny): a; a (deny): b; b (deny): web]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEnforcementByOrigin(t *testing.T) {
	refuse := "package template\nviolation[{\"msg\": \"no\"}] { true }"
	fails := "package template\nviolation[{\"msg\": 1}] { true }"
	scoped := func(by map[review.Origin]Enforcement) func(*Spec) {
		return func(s *Spec) { s.Enforcement, s.ByOrigin = EnforceOff, by }
	}
	for name, test := range map[string]struct {
		rego   string
		change func(*Spec)
		origin review.Origin
		want   string
	}{
		"another here":          {refuse, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromWebhook: EnforceWarn} }, review.FromWebhook, "allow [a (warn): no]"},
		"the usual elsewhere":   {refuse, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromWebhook: EnforceWarn} }, review.FromAudit, "deny [a (deny): no]"},
		"off elsewhere":         {refuse, scoped(map[review.Origin]Enforcement{review.FromAudit: EnforceDeny}), review.FromWebhook, "allow []"},
		"on here":               {refuse, scoped(map[review.Origin]Enforcement{review.FromAudit: EnforceDeny}), review.FromAudit, "deny [a (deny): no]"},
		"off here":              {refuse, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromAudit: EnforceOff} }, review.FromAudit, "allow []"},
		"a fault, another here": {fails, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromWebhook: EnforceAudit} }, review.FromWebhook, "allow [a (audit): the policy could not be evaluated: it returns a violation whose msg is number, not a sentence; this is no judgement of the object: ask whoever looks after the constraint a]"},
		"a fault elsewhere":     {fails, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromWebhook: EnforceAudit} }, review.FromAudit, "deny [a (deny): the policy could not be evaluated: it returns a violation whose msg is number, not a sentence; this is no judgement of the object: ask whoever looks after the constraint a]"},
		"nobody set it":         {refuse, func(s *Spec) { s.ByOrigin = map[review.Origin]Enforcement{review.FromWebhook: ""} }, review.FromWebhook, "deny [a (deny): no]"},
	} {
		t.Run(name, func(t *testing.T) {
			req := podCreate(t, pod)
			req.Origin = test.origin
			if got := verdict(t, compiled(t, violationOf(t, "a", test.rego, test.change)), req); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWhereAPolicyIsOff(t *testing.T) {
	spec := Spec{Enforcement: EnforceOff, OnError: OnErrorWarn}
	if !spec.Off() || spec.EnforcementBy(review.FromWebhook) != EnforceOff || spec.FaultBy(review.FromWebhook) != review.EffectWarn {
		t.Error("off everywhere")
	}
	spec.ByOrigin = map[review.Origin]Enforcement{review.FromAudit: EnforceOff}
	if !spec.Off() {
		t.Error("off everywhere, and said twice")
	}
	spec.ByOrigin[review.FromWebhook] = EnforceDeny
	if spec.Off() || spec.EnforcementBy(review.FromWebhook) != EnforceDeny || spec.FaultBy(review.FromWebhook) != review.EffectDeny {
		t.Error("on at the webhook")
	}
}

func TestFurther(t *testing.T) {
	refuse := "package template\nviolation[{\"msg\": \"no\"}] { true }"
	for name, test := range map[string]struct {
		covers bool
		err    error
		want   string
	}{
		"holds":          {true, nil, "deny [a (deny): no]"},
		"does not":       {false, nil, "allow []"},
		"cannot be told": {false, errors.New("the moon is hidden"), "deny [a (deny): the policy could not be evaluated: the moon is hidden; this is no judgement of the object: ask whoever looks after the constraint a]"},
	} {
		t.Run(name, func(t *testing.T) {
			set := compiled(t, violationOf(t, "a", refuse, func(s *Spec) {
				s.Match.Further = MatcherFunc(func(req *review.Request, namespace func() (Namespace, error)) (bool, error) {
					if _, err := namespace(); err == nil || req.Target.Name != "web" {
						t.Errorf("asked about %v: %v", req.Target, err)
					}
					return test.covers, test.err
				})
			}))
			if got := verdict(t, set, podCreate(t, pod)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
