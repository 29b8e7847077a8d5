package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/gatekeepertest"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

// library writes a directory of that many suites, each of a template of its own with constraints and five cases, of the size that public
// libraries have them, and returns it.
func library(t testing.TB, suites int) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const pod = `apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default}
spec:
  nodeName: %s
  containers:
  - name: app
    image: %s
    securityContext: {runAsUser: %d}
    resources: {limits: {cpu: 100m, memory: 30Mi}}
`
	for i := range suites {
		at := fmt.Sprintf("s%d/", i)
		write(at+"template.yaml", gatekeepertest.Template(i))
		write(at+"a.yaml", gatekeepertest.Constraint(i, "users-1", 100))
		write(at+"b.yaml", gatekeepertest.Constraint(i, "users-2", 150))
		write(at+"good.yaml", fmt.Sprintf(pod, "good", "n1", "nginx", 160))
		write(at+"bad.yaml", fmt.Sprintf(pod, "bad", "n1", "nginx", 1))
		write(at+"exempt.yaml", fmt.Sprintf(pod, "exempt", "n2", "registry.example.com/nginx", 1))
		write(at+"suite.yaml", `kind: Suite
apiVersion: test.gatekeeper.sh/v1alpha1
tests:
- name: a
  template: template.yaml
  constraint: a.yaml
  cases:
  - {name: good, object: good.yaml, assertions: [{violations: no}]}
  - {name: bad, object: bad.yaml, assertions: [{violations: 1, message: may not run}]}
  - {name: exempt, object: exempt.yaml, assertions: [{violations: no}]}
- name: b
  template: template.yaml
  constraint: b.yaml
  cases:
  - {name: good, object: good.yaml, assertions: [{violations: no}]}
  - {name: beside, object: good.yaml, inventory: [bad.yaml], assertions: [{violations: yes, message: is there already}]}
`)
	}
	return dir
}

// 200 suites of 1,000 cases in all are to take less than 5 s on two cores.
func BenchmarkVerify(b *testing.B) {
	dir := library(b, 200)
	files, err := suite.Find([]string{dir + "/..."})
	if err != nil || len(files) != 200 {
		b.Fatal(len(files), err)
	}
	for b.Loop() {
		var report suite.Report
		if err := new(suite.Runner).Run(b.Context(), files, report.Add); err != nil {
			b.Fatal(err)
		}
		if report.Cases != 1000 || report.Failed+report.Errors+report.Skipped > 0 {
			b.Fatalf("%+v", report.Tally)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "cases/s")
}
