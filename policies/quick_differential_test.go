package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// TestTheQuickWayIsNoOther judges objects of all kinds, and what becomes of them when their fields are not as policies expect them, with the
// quick way and without. The decisions are the same, finding for finding, and so is each rule's value where its plan has one.
func TestTheQuickWayIsNoOther(t *testing.T) {
	about := objects(t)
	for name, test := range map[string]struct {
		specs []policies.Spec
		least int // of rules with a plan
	}{
		"the templates of the benchmark":   {benchmarked(t), 22},
		"the templates of the tests":       {fixtures(t), 30},
		"forms that templates rarely have": {forms(t), 10},
		"policies in which functions fail": {nativeForms(t), 20},
		"the library":                      {libraryOf(t), 90},
	} {
		t.Run(name, func(t *testing.T) {
			s := subjectOf(t, test.specs, about)
			if len(s.planned) < test.least {
				t.Fatalf("only %d rules have a plan", len(s.planned))
			}
			most := 400 / len(s.planned) // requests at once, so that all take as long
			rapid.Check(t, func(rt *rapid.T) {
				for range rapid.IntRange(1, most).Draw(rt, "requests") {
					s.judge(t, rt)
				}
			})
			t.Logf("%d policies, %d rules with a plan: %v", len(test.specs), len(s.planned), s.seen)
			for _, what := range []string{"asked", "nothing", "something"} {
				if s.seen[what] == 0 {
					t.Errorf("%s never came of a rule; the generator is at fault", what)
				}
			}
		})
	}
}

// TestManagedFields holds what is found out about policies that read managed fields to those that do, and to those that do not.
func TestManagedFields(t *testing.T) {
	for _, spec := range nativeForms(t) {
		set, err := policies.Compile(t.Context(), []policies.Spec{spec})
		if err != nil {
			t.Fatal(err)
		}
		reads, ignores := strings.Contains(spec.ID, "reads_"), slices.Contains([]string{"ignores_managed_fields.rego", "arguments.rego", "gives.rego"}, spec.ID)
		if got := set.IgnoresManagedFields(); got && reads || !got && ignores {
			t.Errorf("%s: that it ignores managed fields is %t", spec.ID, got)
		}
	}
	for name, specs := range map[string][]policies.Spec{"benchmark": benchmarked(t), "Pod security": chosen(libraryOf(t), "pods.", "images.", "probes.", "resources.")} {
		set, err := policies.Compile(t.Context(), specs)
		if err != nil {
			t.Fatal(err)
		}
		if !set.IgnoresManagedFields() {
			t.Errorf("some policy of the %s reads managed fields", name)
		}
	}
}

// TestManagedFieldsForOneOfMany has a policy that reads them judge beside one that does not: they are there for both, whichever comes first.
func TestManagedFieldsForOneOfMany(t *testing.T) {
	module := ast.MustParseModule(`package template
violation contains {"msg": entry.manager} if some entry in input.review.object.metadata.managedFields`)
	reader := policies.Spec{
		ID: "template", File: "template", Digest: "template", Convention: policies.Gatekeeper, Lenient: true,
		Package: module.Package.Path, Modules: []*ast.Module{module}, Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}},
	}
	specs := slices.DeleteFunc(append(nativeForms(t), reader), func(s policies.Spec) bool {
		return !slices.Contains([]string{"ignores_managed_fields.rego", "reads_managed_fields.rego", "template"}, s.ID)
	})
	for i := range specs {
		specs[i].Enforcement = policies.EnforceDeny
	}
	if len(specs) != 3 {
		t.Fatalf("%d policies", len(specs))
	}
	req, _, err := review.DialectValidate([]byte(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE",
		"name": "web", "namespace": "shop", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
		"object": {"metadata": {"name": "web", "managedFields": [{"manager": "kubectl"}]}}, "oldObject": null, "userInfo": {"username": "jane"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range [][]policies.Spec{specs[:2], {specs[1], specs[0]}, {specs[0], specs[2]}, {specs[2], specs[0]}, specs} {
		set, err := policies.Compile(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := set.Review(t.Context(), req); err != nil || !strings.Contains(d.Refusal(), "kubectl") {
			t.Errorf("%s beside %s: %q %v", of[0].ID, of[1].ID, d.Refusal(), err)
		}
	}
}

func chosen(specs []policies.Spec, prefixes ...string) []policies.Spec {
	return slices.DeleteFunc(specs, func(s policies.Spec) bool {
		return s.ID == "pods.no-exec-labelled" || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.ID, p) })
	})
}

// FuzzTheQuickWay is the same for as long as one likes, one policy at a time.
func FuzzTheQuickWay(f *testing.F) {
	about := objects(f)
	var subjects []*subject
	for _, spec := range slices.Concat(benchmarked(f), fixtures(f), forms(f), nativeForms(f), libraryOf(f)) {
		if s := subjectOf(f, []policies.Spec{spec}, about); len(s.planned) > 0 {
			subjects = append(subjects, s)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		rapid.MakeFuzz(func(rt *rapid.T) { rapid.SampledFrom(subjects).Draw(rt, "policy").judge(t, rt) })(t, input)
	})
}

// subject is policies, each of which judges whatever there is.
type subject struct {
	quick, bare *policies.Set
	planned     []policies.Planned
	about       []any
	words       []string // which they spell out
	seen        map[string]int
}

func subjectOf(t testing.TB, specs []policies.Spec, about []any) *subject {
	t.Helper()
	s := &subject{about: about, seen: map[string]int{}}
	words := map[string]bool{}
	learn := func(term *ast.Term) bool {
		if text, ok := term.Value.(ast.String); ok {
			words[string(text)] = true
		}
		return false
	}
	specs = slices.Clone(specs)
	for i := range specs {
		specs[i].Match, specs[i].ByOrigin = policies.Match{}, nil
		specs[i].Enforcement, specs[i].OnError = policies.EnforceDeny, policies.OnErrorDeny
		for _, module := range specs[i].Modules {
			ast.WalkTerms(module, learn)
		}
		if specs[i].Parameters != nil {
			ast.WalkTerms(specs[i].Parameters, learn)
		}
	}
	s.words = slices.Sorted(maps.Keys(words))
	var err error
	if s.quick, err = policies.Compile(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	s.bare, s.planned = s.quick.WithoutPlans(), s.quick.Planned(t.Context())
	return s
}

// judge draws a request and has it judged either way.
func (s *subject) judge(t *testing.T, rt *rapid.T) {
	body := s.anyReview().Draw(rt, "review")
	req, _, err := review.DialectValidate([]byte(body))
	if err != nil {
		s.seen["refused unread"]++
		return
	}
	s.quick.TryPlans()
	got, err := s.quick.Review(t.Context(), req)
	want, wantErr := s.bare.Review(t.Context(), req)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(got, want) {
		rt.Fatalf("%s\nwith the quick way    %v %+v\nwithout the quick way %v %+v", body, err, got, wantErr, want)
	}
	for _, rule := range s.planned {
		said, err := rule.Ask(t.Context(), req)
		if err != nil {
			s.seen["not asked"]++
			continue
		}
		s.seen["asked"]++
		if said.Answers != "" {
			rt.Fatalf("%s\n%s of %s: %s", body, rule.Rule, rule.Policy, said.Answers)
		}
		switch {
		case said.PlanErr != nil:
			s.seen["no answer of the plan: "+said.PlanErr.Error()]++
		case said.OPAErr != nil || (said.Plan == nil) != (said.OPA == nil) || said.Plan != nil && said.Plan.Compare(said.OPA) != 0:
			rt.Fatalf("%s\n%s of %s is %v by its plan, and %v, %v by OPA's evaluation", body, rule.Rule, rule.Policy, said.Plan, said.OPA, said.OPAErr)
		case said.Plan == nil || said.Plan.Compare(ast.NewSet()) == 0:
			s.seen["nothing"]++
		default:
			s.seen["something"]++
		}
	}
}

// anyReview draws the review of something done to an object that may be changed beyond recognition.
func (s *subject) anyReview() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		object := s.changed(t, rapid.SampledFrom(s.about).Draw(t, "object"))
		request := map[string]any{
			"uid": "1", "operation": "CREATE", "name": "web", "namespace": "shop", "object": object, "oldObject": nil,
			"kind":     map[string]any{"group": "", "version": "v1", "kind": "Pod"},
			"resource": map[string]any{"group": "", "version": "v1", "resource": "pods"},
			"userInfo": map[string]any{"username": "jane", "groups": []any{"system:authenticated"}},
		}
		if about, _ := object.(map[string]any); about["kind"] == "Deployment" {
			request["kind"] = map[string]any{"group": "apps", "version": "v1", "kind": "Deployment"}
			request["resource"] = map[string]any{"group": "apps", "version": "v1", "resource": "deployments"}
		}
		switch rapid.IntRange(0, 5).Draw(t, "operation") {
		case 0:
			request["operation"], request["oldObject"] = "UPDATE", s.changed(t, object)
		case 1:
			request["operation"], request["oldObject"], request["object"] = "DELETE", object, nil
		}
		text, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	})
}

// changed draws a copy of a value in which some places are others.
func (s *subject) changed(t *rapid.T, value any) any {
	for range rapid.IntRange(0, 4).Draw(t, "changes") {
		value = s.changedAt(t, value)
	}
	return value
}

// changedAt draws a place in a value and returns a copy with something else there. Most of an object lies far down in spec.
func (s *subject) changedAt(t *rapid.T, value any) any {
	how := rapid.IntRange(0, 19).Draw(t, "how") // the most are to go on
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			break
		}
		out := maps.Clone(v)
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(v))).Draw(t, "member")
		if _, has := v["spec"]; has && how > 4 {
			name = "spec"
		}
		switch how {
		case 0:
			delete(out, name)
		case 1:
			out[name] = nil
		case 2:
			out[rapid.SampledFrom(s.words).Draw(t, "name")] = v[name]
		case 3:
			return s.strange(t, v)
		default:
			out[name] = s.changedAt(t, v[name])
		}
		return out
	case []any:
		if len(v) == 0 {
			break
		}
		at := rapid.IntRange(0, len(v)-1).Draw(t, "element")
		switch how {
		case 0:
			return slices.Delete(slices.Clone(v), at, at+1)
		case 1:
			return append(slices.Clone(v), v[at])
		case 2:
			return append(slices.Clone(v), s.changedAt(t, v[at]))
		case 3:
			return s.strange(t, v)
		default:
			out := slices.Clone(v)
			out[at] = s.changedAt(t, v[at])
			return out
		}
	}
	return s.strange(t, value)
}

// strange draws what may be in the place of a value.
func (s *subject) strange(t *rapid.T, value any) any {
	switch rapid.IntRange(0, 5).Draw(t, "strange") {
	case 0:
		return json.Number(rapid.SampledFrom([]string{
			"0", "1", "-1", "1.0", "1e0", "0.5", "999", "1000", "65535", "2000000000", "9007199254740993", "123456789012345678901234567890", "1e400",
		}).Draw(t, "number"))
	case 1:
		return rapid.SampledFrom(s.words).Draw(t, "word")
	case 2:
		return rapid.SampledFrom([]string{"", " ", "é", "e\u0301", "\U0001F600", "\u2028", "*", "a:", ":latest", "1", "1Gi", "-5m", "true", "a/b@c"}).Draw(t, "text")
	case 3:
		return rapid.SampledFrom([]any{nil, true, false, []any{}, map[string]any{}, []any{nil}, map[string]any{"": nil}}).Draw(t, "other")
	case 4:
		word := rapid.SampledFrom(s.words).Draw(t, "word")
		return rapid.SampledFrom([]any{[]any{value}, map[string]any{word: value}, []any{word, word}, []any{value, word}, map[string]any{word: word}}).Draw(t, "around")
	default:
		for i := range rapid.IntRange(1, 50).Draw(t, "depth") {
			if i%2 == 0 {
				value = []any{value}
			} else {
				value = map[string]any{"a": value}
			}
		}
		return value
	}
}
