package drills

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// matrixPolicy refuses everything that one user does to these resources.
func matrixPolicy(user, resources string) string {
	return fmt.Sprintf(`
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: %[1]s}
spec:
  match: {resources: ["%[2]s"], operations: ["*"]}
  rego: |
    package %[1]s

    deny contains "asked" if input.request.userInfo.username == "%[1]s"
`, user, resources)
}

// TestMatrix (P3): every operation on every resource of the API server is tried, as a dry run, by users whom policies on "*/*" and on "*"
// refuse everything. Which requests they are asked about is held in testdata/matrix.txt, and is what the registration was worked out to
// do. That nobody else is refused is the control.
func TestMatrix(t *testing.T) {
	w := start(t)
	w.put(t, "everywhere", matrixPolicy("everywhere", "*/*"))
	w.put(t, "star", matrixPolicy("star", "*"))
	m := newMatrix(t, w)
	pods := schema.GroupVersion{Version: "v1"}
	until(t, "both are enforced everywhere", func() bool {
		everywhere, _ := m.ask("everywhere", m.request(pods, metav1.APIResource{Name: "pods/status", Namespaced: true}, "UPDATE"))
		star, _ := m.ask("star", m.request(pods, metav1.APIResource{Name: "pods", Namespaced: true, Kind: "Pod"}, "CREATE"))
		return everywhere == asked && star == asked
	})
	_, all, err := w.client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, list := range all {
		group, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			for _, operation := range operations(resource) {
				id := strings.TrimSuffix(resource.Name+"."+group.Group, ".") + " " + operation
				if seen[id] == "" { // the version that the API server prefers comes first
					r := m.request(group, resource, operation)
					seen[id] = m.try("everywhere", r) + " " + m.try("star", r)
				}
			}
		}
	}
	golden(t, seen)
	asPlanned(t, seen)
	figure(t, "P3: %d operations tried", len(seen))
	if err := w.configMap(t.Context(), true); err != nil {
		t.Errorf("control: somebody else is refused: %v", err)
	}
	for _, r := range m.sample() {
		if got := m.try("nobody", r); got != spared {
			t.Errorf("control: %s %s by somebody else: %s", r.verb, r.path, got)
		}
	}
}

// What comes of a request.
const (
	asked  = "asked"
	spared = "spared"
)

// golden holds what was seen against the file.
func golden(t *testing.T, seen map[string]string) {
	t.Helper()
	lines := make([]string, 0, len(seen))
	for id, what := range seen {
		resource, operation, _ := strings.Cut(id, " ")
		everywhere, star, _ := strings.Cut(what, " ")
		lines = append(lines, fmt.Sprintf("%-70s %-8s %-7s %s\n", resource, operation, everywhere, star))
	}
	slices.Sort(lines)
	got := fmt.Sprintf("# What policies on \"*/*\" and on \"*\" are asked about by a real API server.\n%-70s %-8s %-7s %s\n",
		"# resource", "", "*/*", "*") + strings.Join(lines, "")
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
		t.Errorf("%s is not what is asked now; run with UPDATE=1 and look at the difference\n%s", path, got)
	}
}

// asPlanned compares what was seen with what the registration was worked out to do, operation by operation. There are three differences:
// the API server asks no webhook about what admission is configured by; to a policy "*" includes the subresources by which containers
// change; and what is ours is not there where the registration was worked out.
func asPlanned(t *testing.T, seen map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../../webhook/registration/testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] != "#" {
			want[f[0]+" "+f[1]] = f[2] + " " + f[3]
		}
	}
	for id := range want {
		resource, _, _ := strings.Cut(id, " ")
		switch {
		case strings.HasSuffix(resource, ".admissionregistration.k8s.io"):
			want[id] = "spared spared"
		case resource == "pods/ephemeralcontainers" || resource == "pods/resize":
			want[id] = "asked asked"
		}
		if seen[id] == "" {
			t.Errorf("%s is planned for, and was not tried", id)
		}
	}
	for id, got := range seen {
		if planned := want[id]; planned == "" && !strings.Contains(id, ".portcullis.dev ") {
			t.Errorf("%s was tried, and there is no plan", id)
		} else if planned != "" && planned != got {
			t.Errorf("%s: seen %s, planned %s", id, got, planned)
		}
	}
}
