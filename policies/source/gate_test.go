package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// gate is one beside the given objects, all in force, and a policy from a file.
func gate(t *testing.T, present ...*unstructured.Unstructured) *Gate {
	t.Helper()
	o := newObjects(t, fakeCluster(t))
	var files []native.File
	for _, u := range present {
		files = append(files, policyFile(u))
	}
	files = append(files, native.File{Name: "configmap/portcullis/old/main", Format: native.RegoText, Text: []byte("package team.shared\n\ndeny contains 1\n")})
	b := o.bundle(files, nil, nil)
	if len(b.Faults) > 0 {
		t.Fatal(b.Faults)
	}
	set, err := policies.Compile(t.Context(), b.Specs)
	if err != nil {
		t.Fatal(err)
	}
	engine := &policies.Engine{}
	engine.Use(set)
	return &Gate{Objects: o, Engine: engine, Now: func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }}
}

func ask(t *testing.T, operation, resource, subresource string, object, old *unstructured.Unstructured) *review.Request {
	t.Helper()
	text := func(u *unstructured.Unstructured) json.RawMessage {
		if u == nil {
			return json.RawMessage("null")
		}
		out, err := u.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":%q,
		"kind":{"group":"portcullis.dev","version":"v1alpha1","kind":"Policy"},"resource":{"group":"portcullis.dev","version":"v1alpha1","resource":%q},
		"subResource":%q,"name":"mine","userInfo":{"username":"jane"},"object":%s,"oldObject":%s}}`, operation, resource, subresource, text(object), text(old))
	req, _, err := review.DialectValidate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestWhatTheGateSaysOfAPolicy(t *testing.T) {
	const mutating = "# METADATA\n# custom:\n#   portcullis:\n#     match: {resources: [pods]}\npackage %s\n\nmutate contains {\"set\": [\"spec\", \"priority\"], \"value\": %d}\n"
	there := policyObject(t, "there", fmt.Sprintf(mutating, "there", 1))
	for _, c := range []struct{ name, rego, want string }{
		{"good", rule("one"), ""},
		{"parse", "package a\n\ndeny contains if {\n", "portcullis: policy/mine:3: unexpected if keyword"},
		{"compile", "package a\n\ndeny contains nothing\n", "portcullis: policy/mine:3: var nothing is unsafe"},
		{"two faults", "package a\n\ndeny contains nothing\n\nwarn contains something\n", "2 reasons:\n- portcullis: policy/mine:3: var nothing is unsafe\n- portcullis: policy/mine:5: var something is unsafe"},
		{"capability", "package a\n\ndeny contains x if x := http.send({})\n", "portcullis: policy/mine:3: http.send is not available to policies: a policy reaches nothing outside the server"},
		{"contradiction", fmt.Sprintf(mutating, "a", 2), `portcullis: policy/mine:7: policies mine and there set ["spec", "priority"] to different values whenever they are asked; the other does so at policy/there:7`},
		{"the package of a ConfigMap", "package team.shared\n\ndeny contains 1\n", "portcullis: policy/mine:1: Policy mine: another policy is also in package team.shared"},
		{"its tests pass", "package a\n\ndeny contains \"a\" if input.request.x\n\ntest_refuses if deny with input as {\"request\": {\"x\": true}}\n", ""},
		{"its tests fail", "package a\n\ndeny contains \"a\" if input.request.x\n\ntest_refuses if count(deny) == 1 with input as {\"request\": {}}\n\ntest_passes if true\n\ntodo_test_later if false\n", "portcullis: policy/mine:5: test test_refuses fails"},
		{"its tests cannot be run", "package a\n\ndeny contains \"a\"\n\nx := 1 if true\n\nx := 2 if deny\n\ntest_x if x == 1\n", "portcullis: policy/mine:9: test test_x cannot be run: the policy could not be evaluated: eval_conflict_error at policy/mine:7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := gate(t, there).Review(t.Context(), ask(t, "CREATE", "policies", "", policyObject(t, "mine", c.rego), nil))
			if err != nil || d.Refusal() != c.want || (d.Verdict == review.Allow) != (c.want == "") {
				t.Errorf("%v %s %v", d.Verdict, d.Refusal(), err)
			}
		})
	}
}

func TestAPackageWithoutMETADATAIsWarnedAbout(t *testing.T) {
	const everything = "portcullis: policy/mine: give the package METADATA with match.resources: without, the API server asks about every request, subresources included"
	const legacy = "package a\n\ndeny contains \"a\" if input.request.name == \"x\"\n"
	described := "# METADATA\n# custom:\n#   portcullis: {match: {resources: [pods]}}\n" + legacy
	matched := policyObject(t, "mine", legacy)
	if err := unstructured.SetNestedStringSlice(matched.Object, []string{"pods"}, "spec", "match", "resources"); err != nil {
		t.Fatal(err)
	}
	warning := policyObject(t, "mine", legacy)
	if err := unstructured.SetNestedField(warning.Object, "warn", "spec", "enforcement"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		object *unstructured.Unstructured
		want   string
	}{
		{"it refuses", policyObject(t, "mine", legacy), everything + ", and, as onError is deny, may refuse all of them while nobody answers"},
		{"it warns", warning, everything},
		{"it is matched", matched, ""},
		{"it is described", policyObject(t, "mine", described), ""},
	} {
		d, err := gate(t).Review(t.Context(), ask(t, "CREATE", "policies", "", c.object, nil))
		if err != nil || d.Verdict != review.Allow || strings.Join(d.Warnings(), "; ") != c.want {
			t.Errorf("%s: %v %s %v", c.name, d.Warnings(), d.Refusal(), err)
		}
	}
}

func TestWhatHasEndedIsSaidToWhoAppliesIt(t *testing.T) {
	grant := `# METADATA
# custom:
#   portcullis:
#     match: {resources: [pods]}
#     parameters: {properties: {until: {type: string, format: deadline, default: "2020-01-01T00:00:00Z"}}}
package a

deny contains input.parameters.until
`
	d, err := gate(t).Review(t.Context(), ask(t, "CREATE", "policies", "", policyObject(t, "mine", grant), nil))
	const want = "portcullis: policy/mine:5: Policy mine: parameters.until: 2020-01-01T00:00:00Z is past, and what ends then has ended; take it away, or give it a later time"
	if err != nil || d.Verdict != review.Allow || strings.Join(d.Warnings(), "; ") != want {
		t.Errorf("%v %s %v", d.Warnings(), d.Refusal(), err)
	}
}

func TestTheGateKnowsWhatAPolicyMayUse(t *testing.T) {
	using := func(name string) *unstructured.Unstructured {
		return object(t, "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec: {use: "+name+"}")
	}
	g := gate(t)
	for name, want := range map[string]string{
		"a.b":         "",
		"team.shared": "",
		"team.other":  `portcullis: policy/mine:1: Policy mine: there is no policy "team.other", neither in the library nor beside it`,
	} {
		d, err := g.Review(t.Context(), ask(t, "CREATE", "policies", "", using(name), nil))
		if err != nil || d.Refusal() != want {
			t.Errorf("%s: %s %v", name, d.Refusal(), err)
		}
	}
	d, err := g.Review(t.Context(), ask(t, "CREATE", "policies", "", policyObject(t, "team.shared", rule("one")), nil))
	if err != nil || d.Refusal() != "portcullis: policy/team.shared:1: policy team.shared is also defined in configmap/portcullis/old/main:1; give one of them another name" {
		t.Error(d.Refusal(), err)
	}
}

func TestANewVersionTakesThePlaceOfTheOneInForce(t *testing.T) {
	old, changed := policyObject(t, "mine", rule("one")), policyObject(t, "mine", rule("two"))
	d, err := gate(t, old).Review(t.Context(), ask(t, "UPDATE", "policies", "", changed, old))
	if err != nil || d.Verdict != review.Allow {
		t.Error(d.Refusal(), err)
	}
}

// A policy that became faulty, because what it uses went, must still lose its finalizers and its annotations.
func TestWhatLeavesTheSpecAlonePasses(t *testing.T) {
	faulty := policyObject(t, "mine", "package a\n\ndeny contains nothing\n")
	bare := faulty.DeepCopy()
	faulty.SetFinalizers([]string{"example.com/f"})
	other := policyObject(t, "mine", "package a\n\ndeny contains nobody\n")
	for _, c := range []struct {
		req  *review.Request
		want review.Verdict
	}{
		{ask(t, "UPDATE", "policies", "", bare, faulty), review.Allow},
		{ask(t, "UPDATE", "policies", "", other, faulty), review.Deny},
		{ask(t, "UPDATE", "policies", "status", other, faulty), review.Allow},
		{ask(t, "DELETE", "policies", "", nil, faulty), review.Allow},
	} {
		if d, err := gate(t).Review(t.Context(), c.req); err != nil || d.Verdict != c.want {
			t.Errorf("%s %s: %v %v", c.req.Verb, c.req.Target, d.Verdict, err)
		}
	}
}

func TestWhatTheGateSaysOfAnException(t *testing.T) {
	text := func(policy, expires string) *unstructured.Unstructured {
		return object(t, `{apiVersion: portcullis.dev/v1alpha1, kind: PolicyException, metadata: {name: legacy, namespace: prod},
			spec: {policies: [`+policy+`], match: {names: [web]}, reason: because, expires: "`+expires+`"}}`)
	}
	const at = "# METADATA\n# custom:\n#   portcullis:\n#     match: {stage: %s}\npackage %s\n\ndeny contains \"no\" if input.spec\n"
	guarding := policyObject(t, "guarding", fmt.Sprintf(at, "guard", "guarding"))
	both := policyObject(t, "both", strings.ReplaceAll(fmt.Sprintf(at, "[admission, image]", "both"), "if input.spec", "if input.kind"))
	const named = "package team.%s\n\ndeny contains \"a\" if input.request.name == \"x\"\n"
	night, day := policyObject(t, "night", fmt.Sprintf(named, "shells_at_night")), policyObject(t, "by-day-only", fmt.Sprintf(named, "day"))
	for _, c := range []struct {
		name, policy, expires, refusal, warning string
	}{
		{"good", "team.shared", "2027-01-02T00:00:00Z", "", ""},
		{"unknown policy", "team.other", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: there is no policy "team.other"; until there is one the exception does nothing for it`},
		{"a slip", "team.shraed", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: there is no policy "team.shraed"; did you mean team.shared?`},
		{"the package of a Policy", "team.shells_at_night", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: there is no policy "team.shells_at_night"; did you mean night?`},
		{"another dash", "by_day-only", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: there is no policy "by_day-only"; did you mean by-day-only?`},
		{"a guard", "guarding", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: exceptions hold at admission alone, and policy "guarding" is not asked there; the exception does nothing for it`},
		{"an image policy, too", "both", "2027-01-02T00:00:00Z", "", `portcullis: policyexception/prod/legacy: exceptions hold at admission alone, and policy "both" is also asked at stage image, where it refuses as before`},
		{"past", "team.shared", "2027-01-01T00:00:00Z", "portcullis: policyexception/prod/legacy: spec.expires is past; an exception that has ended excepts nothing", ""},
		{"far", "team.shared", "2099-01-01T00:00:00Z", "portcullis: policyexception/prod/legacy:1: PolicyException prod/legacy: spec.expires is more than a year ahead; choose an earlier day, and renew the exception then if it is still needed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := gate(t, guarding, both, night, day).Review(t.Context(), ask(t, "CREATE", "policyexceptions", "", text(c.policy, c.expires), nil))
			if err != nil || d.Refusal() != c.refusal || strings.Join(d.Warnings(), "; ") != c.warning {
				t.Errorf("%s %v %v", d.Refusal(), d.Warnings(), err)
			}
		})
	}
}

func TestTheGateHasNoAnswer(t *testing.T) {
	req := ask(t, "CREATE", "policies", "", policyObject(t, "mine", rule("one")), nil)
	empty := &Gate{Objects: newObjects(t, fakeCluster(t)), Engine: &policies.Engine{}}
	if _, err := empty.Review(t.Context(), req); !errors.Is(err, review.ErrUnavailable) {
		t.Error(err)
	}
	g := gate(t)
	if _, err := g.Review(t.Context(), ask(t, "CREATE", "others", "", policyObject(t, "mine", rule("one")), nil)); err == nil {
		t.Error("it knows others")
	}
	req.Target.Group = "apps"
	if _, err := g.Review(t.Context(), req); err == nil {
		t.Error("it judged what is not Portcullis'")
	}
}
