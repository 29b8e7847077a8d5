package library

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	engine "github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// Every policy of a bundle is in force by the bundle's name alone, and all bundles together are no conflict. What is refused on a first day with
// them is in the request: they need neither parameters nor the cluster, and change nothing.
func TestBundles(t *testing.T) {
	from := reader(t)
	var names []string
	for _, l := range from.Bundles() {
		names = append(names, l.Name)
		if l.Title == "" || strings.HasSuffix(l.Title, ".") || !sentence(l.Description) {
			t.Errorf("%s: title %q wants words without a full stop, and description %q complete sentences", l.Name, l.Title, l.Description)
		}
		if !slices.IsSorted(l.Policies) || len(slices.Compact(slices.Clone(l.Policies))) != len(l.Policies) {
			t.Errorf("%s: the policies are not sorted, or one is there twice", l.Name)
		}
		for _, name := range l.In("v1.0") {
			specs, faults := from.Use(name)
			if len(faults) > 0 || len(specs) != 1 {
				t.Errorf("%s: %s is not in force by its name: %v", l.Name, name, faults)
				continue
			}
			if _, err := engine.CompilePolicy(t.Context(), specs[0]); err != nil {
				t.Errorf("%s: %s: %v", l.Name, name, err)
			}
			if len(specs[0].Data) > 0 || readsNamespaces(specs[0]) {
				t.Errorf("%s: %s reads the cluster, which a bundle's policies do not: where there is none it has no answer", l.Name, name)
			}
			for _, rule := range specs[0].Rules {
				if rule.Stage != review.Validate {
					t.Errorf("%s: %s is asked at %s; the policies of a bundle only validate", l.Name, name, rule.Stage)
				}
			}
		}
	}
	if want := []string{"best-practice", "pss-baseline", "pss-restricted"}; !slices.Equal(names, want) {
		t.Fatalf("the bundles are %v, want %v", names, want)
	}
	specs, faults := from.Use(names...)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if _, err := engine.Compile(t.Context(), specs); err != nil {
		t.Errorf("together: %v", err)
	}
}

func readsNamespaces(spec engine.Spec) (reads bool) {
	for _, module := range spec.Modules {
		if !module.Package.Path.Equal(spec.Package) {
			continue // a helper may know namespaces without being asked for them
		}
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			reads = reads || len(ref) > 1 && ref[0].Equal(ast.InputRootDocument) && ref[1].Value.Compare(ast.String("namespace")) == 0
			return reads
		})
	}
	return reads
}

// The levels of the Pod Security Standards have what the METADATA of the policies say is a check of theirs. Restricted has all of baseline, but for
// checks whose place one of its own takes from some version on.
func TestTheLevelsAreWhatTheControlsSay(t *testing.T) {
	of := map[string][]string{}
	for _, p := range policies(t) {
		if !p.defines("deny") || !slices.Contains(p.said.stages(), "admission") {
			continue
		}
		for _, control := range p.said.Controls {
			of[control] = append(of[control], p.name)
		}
	}
	from := reader(t)
	for _, l := range from.Bundles() {
		var want []string
		switch l.Name {
		case "pss-baseline":
			want = of["pss/baseline"]
		case "pss-restricted":
			want = append(of["pss/restricted"], of["pss/baseline"]...)
			want = slices.DeleteFunc(want, func(name string) bool { return slices.Contains(replaced(), name) })
		default:
			continue
		}
		slices.Sort(want)
		if got := l.In("v1.0"); !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%s has\n%s\nand the controls say\n%s", l.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// replaced are the checks of baseline whose place one of restricted takes in every version.
func replaced() []string { return nil }
