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
		for _, name := range l.Policies {
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

// The levels of the Pod Security Standards are what is held to Kubernetes' own judgement, and what the METADATA of the policies say of themselves.
func TestTheLevelsAreTheStandards(t *testing.T) {
	wanted := map[string][]string{}
	for _, check := range checks {
		if check.baseline != "" {
			wanted["pss-baseline"] = append(wanted["pss-baseline"], check.rule)
		}
		if check.restricted != "" {
			wanted["pss-restricted"] = append(wanted["pss-restricted"], check.rule)
		}
	}
	said := map[string][]string{}
	for _, p := range policies(t) {
		if !p.defines("deny") {
			continue
		}
		if slices.Contains(p.said.Controls, "pss/baseline") {
			said["pss-baseline"] = append(said["pss-baseline"], p.name)
		}
		if slices.Contains(p.said.Controls, "pss/restricted") {
			said["pss-restricted"] = append(said["pss-restricted"], p.name)
		}
	}
	for _, l := range reader(t).Bundles() {
		if !strings.HasPrefix(l.Name, "pss-") {
			continue
		}
		if !slices.Equal(l.Policies, wanted[l.Name]) {
			t.Errorf("%s has\n%s\nand is held to\n%s", l.Name, strings.Join(l.Policies, "\n"), strings.Join(wanted[l.Name], "\n"))
		}
		if !slices.Equal(l.Policies, said[l.Name]) {
			t.Errorf("%s has\n%s\nand the controls say\n%s", l.Name, strings.Join(l.Policies, "\n"), strings.Join(said[l.Name], "\n"))
		}
	}
}
