package policies

import (
	"context"
	"fmt"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// synthetic makes constraints of templates, about as large as those in use: a few rules and functions each.
func synthetic(t testing.TB, templates, constraints int) []Spec {
	t.Helper()
	var specs []Spec
	for i := range templates {
		rego := fmt.Sprintf(`package template
violation[{"msg": msg, "details": {"containers": bad}}] {
	bad := {c.name | c := containers[_]; not allowed(c); not exempt(c)}
	count(bad) > 0
	msg := sprintf("template %d: %%v may not be used in %%v <%%v>", [bad, input.review.kind.kind, input.review.object.metadata.name])
}
violation[{"msg": msg}] {
	input.review.operation == "UPDATE"
	field := input.parameters.immutable[_]
	value(input.review.object, field) != value(input.review.oldObject, field)
	msg := sprintf("field <%%v> is immutable", [field])
}
value(object, field) = object.spec[field] { true }
containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
allowed(c) { prefix := input.parameters.prefixes[_]; startswith(c.image, prefix) }
allowed(c) { c.securityContext.runAsNonRoot; not has(c, "ports") }
exempt(c) { pattern := input.parameters.exemptImages[_]; matches(pattern, c.image) }
matches(pattern, image) { not endswith(pattern, "*"); pattern == image }
matches(pattern, image) { endswith(pattern, "*"); startswith(image, trim_suffix(pattern, "*")) }
has(object, field) { object[field] }
has(object, field) { object[field] == false }
`, i)
		module, err := ast.ParseModuleWithOpts(fmt.Sprintf("template%d.yaml", i), rego, ast.ParserOptions{RegoVersion: ast.RegoV0})
		if err != nil {
			t.Fatal(err)
		}
		for j := range constraints {
			spec := violationOf(t, fmt.Sprintf("T%d/c%d", i, j), "package template\nviolation[1] { true }", given(`{"prefixes": ["registry.example.com/"]}`))
			spec.Modules, spec.Code, spec.Digest = []*ast.Module{module}, fmt.Sprint("code ", i), fmt.Sprint(i, j)
			spec.Match.Kinds = []GroupKind{{"", "Pod"}}
			specs = append(specs, spec)
		}
	}
	return specs
}

func TestCodeIsCompiledOnce(t *testing.T) {
	specs := synthetic(t, 2, 3)
	specs[5].Parameters = ast.MustParseTerm(`{"prefixes": ["other/"]}`).Value
	set := compiled(t, specs...)
	byCode := map[*code]int{}
	for _, p := range set.Policies() {
		byCode[p.code]++
	}
	if len(byCode) != 2 {
		t.Errorf("compiled %d times, want twice", len(byCode))
	}
	got := verdict(t, set, podCreate(t, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{"name":"a","image":"registry.example.com/a"}]}}`))
	if want := `deny [T1/c2 (deny): template 1: {"a"} may not be used in Pod <web>]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFaultyCodeIsAFaultOfAllThatShareIt(t *testing.T) {
	specs := synthetic(t, 1, 2)
	bad := violationOf(t, "x", "package template\nviolation[{\"msg\": \"a\"}] { f(1) }").Modules
	specs[0].Modules, specs[1].Modules = bad, bad
	_, err := Compile(t.Context(), specs)
	faults, ok := err.(Faults) //nolint:errorlint // it is nothing else
	if !ok || len(faults) != 2 || faults[0].Policy != "T0/c0" || faults[1].Policy != "T0/c1" {
		t.Errorf("%#v", err)
	}
	if want := "x.yaml:2: undefined function f"; err.Error() != want {
		t.Errorf("got  %s\nwant %s, once", err, want)
	}
}

// Where a constraint changes its template is not compiled again, and so it is for one that is judged before it is accepted.
func TestCodeOutlivesALoad(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	specs := synthetic(t, 1, 2)
	source <- Bundle{Specs: specs}
	before := (<-reports).Set.policies
	changed := specs[0]
	changed.Digest, changed.Enforcement = "changed", EnforceWarn
	added := specs[0]
	added.ID, added.Digest = "T0/c9", "added"
	// Modules of the same Code that do not compile would be found out.
	added.Modules = violationOf(t, "x", "package template\nviolation[{\"msg\": \"a\"}] { f(1) }").Modules
	if faults := engine.Set().Try(t.Context(), added); len(faults) > 0 {
		t.Errorf("compiled to be tried: %v", faults)
	}
	source <- Bundle{Specs: []Spec{changed, specs[1], added}}
	load := <-reports
	if len(load.Faults) > 0 || len(load.Set.policies) != 3 {
		t.Fatalf("%v", load.Faults)
	}
	for _, p := range load.Set.policies {
		if p.code != before[0].code {
			t.Errorf("%s was compiled again", p.spec.ID)
		}
	}
	if load.Set.policies[0].spec.Enforcement != EnforceWarn || load.Set.policies[1] != before[1] {
		t.Error("the change did not come into force, or what did not change was made anew")
	}
}

func BenchmarkLoad(b *testing.B) {
	specs := synthetic(b, 100, 3)
	b.ReportAllocs()
	for b.Loop() {
		engine := &Engine{}
		ctx, cancel := context.WithCancel(b.Context())
		loader := &Loader{Engine: engine, Report: func(l Load) {
			if len(l.Faults) > 0 || len(l.Set.Policies()) != 300 {
				b.Error(l.Faults)
			}
			cancel()
		}, Sources: []Source{SourceFunc(func(_ context.Context, yield func(Bundle)) error { yield(Bundle{Specs: specs}); return nil })}}
		if err := loader.Run(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
