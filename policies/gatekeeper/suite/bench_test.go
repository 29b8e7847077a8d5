package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
	const template = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needs%[1]d}
spec:
  crd:
    spec:
      names: {kind: Needs%[1]d}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            exemptImages: {type: array, items: {type: string}}
            ranges: {type: array, items: {type: object, properties: {min: {type: integer}, max: {type: integer}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needs%[1]d

      import data.lib.exempt.is_exempt

      violation[{"msg": msg, "details": {}}] {
        c := containers[_]
        not is_exempt(c)
        not in_ranges(c.securityContext.runAsUser)
        msg := sprintf("template %[1]d: container %%v of %%v may not run as that user", [c.name, input.review.object.metadata.name])
      }

      violation[{"msg": msg}] {
        other := data.inventory.namespace[_][_]["Pod"][name]
        other.spec.nodeName == input.review.object.spec.nodeName
        name != input.review.object.metadata.name
        msg := sprintf("%%v is there already", [name])
      }

      in_ranges(user) { range := input.parameters.ranges[_]; user >= range.min; user <= range.max }

      containers[c] { c := input.review.object.spec.containers[_] }
      containers[c] { c := input.review.object.spec.initContainers[_] }
      containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
    libs:
    - |
      package lib.exempt

      is_exempt(container) {
        exempt := object.get(object.get(input, "parameters", {}), "exemptImages", [])
        matches(exempt[_], container.image)
      }

      matches(exempt, image) { not endswith(exempt, "*"); exempt == image }
      matches(exempt, image) { endswith(exempt, "*"); prefix := trim_suffix(exempt, "*"); startswith(image, prefix) }
`
	const constraint = `apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Needs%d
metadata: {name: users-%d}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {exemptImages: ["registry.example.com/*"], ranges: [{min: %d, max: 200}]}
`
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
		write(at+"template.yaml", fmt.Sprintf(template, i))
		write(at+"a.yaml", fmt.Sprintf(constraint, i, 1, 100))
		write(at+"b.yaml", fmt.Sprintf(constraint, i, 2, 150))
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
