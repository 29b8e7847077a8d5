package registration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// testMatrix holds what is asked about every operation on every resource of a cluster against testdata/matrix.txt, for policies that want
// everything and for policies that want all resources ("*") without naming a subresource.
func testMatrix(t *testing.T, p *plane) {
	everything := judges(t, Validate, Plan([]Interest{{Phase: Validate, Fail: true}}, testOptions()))
	star := judges(t, Validate, Plan([]Interest{{Phase: Validate, Resources: []Resource{{"*", "*", ""}}, Fail: true}}, testOptions()))
	_, all, err := p.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, list := range all {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			name, subresource, _ := strings.Cut(resource.Name, "/")
			for _, operation := range operationsOf(resource) {
				r := request{Resource: Resource{group.Group, name, subresource}, operation: operation, name: "x", user: "alice"}
				if resource.Namespaced {
					r.namespace = "default"
				}
				says := map[bool]string{true: "asked", false: "spared"}
				lines = append(lines, fmt.Sprintf("%-70s %-8s %-7s %s", strings.TrimSuffix(resource.Name+"."+group.Group, "."), operation,
					says[level(t, Validate, everything, r) == enforced], says[level(t, Validate, star, r) == enforced]))
			}
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines) // several versions have the same resources
	header := fmt.Sprintf("# Which operations are asked about when policies want everything, and when they want \"*\" alone.\n%-70s %-8s %-7s %s\n",
		"# resource", "", "all", "*")
	got := header + strings.Join(lines, "\n") + "\n"
	const path = "testdata/matrix.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is asked now; run with UPDATE=1 and look at the difference", path)
	}
}

// operationsOf tells how requests for a resource are called at admission.
func operationsOf(resource metav1.APIResource) (out []admissionregistrationv1.OperationType) {
	connects := []string{
		"NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions",
	}
	if slices.Contains(connects, resource.Kind) {
		return []admissionregistrationv1.OperationType{connect}
	}
	for verb, operation := range map[string]admissionregistrationv1.OperationType{"create": create, "update": update, "delete": remove} {
		if slices.Contains(resource.Verbs, verb) {
			out = append(out, operation)
		}
	}
	return out
}
