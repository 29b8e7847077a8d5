package docs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The policies, the test and the questions that the README and docs/policies.md print, written and typed by a reader who has built the
// program.
func TestPolicies(t *testing.T) {
	readme, p := read(t, "README.md", strings.NewReplacer()), read(t, "docs/policies.md", strings.NewReplacer())
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	s.write(t, "my-policies/replicas.rego", readme.block(t, "rego", "package team.replicas"))
	s.write(t, "my-policies/replicas_test.rego", p.block(t, "rego", "package team.replicas_test"))
	s.write(t, "my-policies/shells.rego", p.block(t, "rego", "package team.shells"))
	s.write(t, "deployment.yaml", readme.block(t, "yaml", "kind: Deployment"))
	review := strings.ReplaceAll(readme.block(t, "sh", "-f deployment.yaml"), "make build", "") // it is built
	if got, code := s.code(t, review); code != 2 ||
		!strings.Contains(got, "team.replicas: 20 replicas are more than 10; ask for more quota (spec.replicas)") {
		t.Errorf("the Deployment of the README: exit code %d\n%s", code, got)
	}

	s.write(t, "scale.json", `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "UPDATE", "name": "web",
  "namespace": "team-a", "kind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}, "subResource": "scale", "userInfo": {"username": "jane"},
  "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "options": {},
  "object": {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "team-a"}, "spec": {"replicas": 20}},
  "oldObject": {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "team-a"}, "spec": {"replicas": 2}}}}`)
	if got, code := s.code(t, "bin/portcullis review -f scale.json --policies my-policies"); code != 2 || !strings.Contains(got, "20 replicas are more than 10") {
		t.Errorf("kubectl scale passes by the policy of the README: exit code %d\n%s", code, got)
	}

	s.run(t, "bin/portcullis fmt --list --fail my-policies && bin/portcullis check --strict my-policies")
	if got := s.run(t, p.block(t, "sh", "portcullis test")); !strings.Contains(got, "PASS: 2/2") {
		t.Errorf("the test of the page:\n%s", got)
	}
	s.write(t, "my-policies/replicas.rego", strings.Replace(readme.block(t, "rego", "package team.replicas"), "> input", ">= input", 1))
	if got, code := s.code(t, p.block(t, "sh", "portcullis test")); code != 2 || !strings.Contains(got, "FAIL: 1/2") {
		t.Errorf("the test of the page, of another policy: exit code %d\n%s", code, got)
	}

	if got := s.run(t, p.block(t, "sh", "portcullis policies list")); !strings.Contains(got, "\npods.privileged  ") || !strings.Contains(got, "  use: images.allowed_registries\n") {
		t.Errorf("the library:\n%s", got)
	}

	question := p.block(t, "yaml", "kind: SubjectAccessReview")
	s.write(t, "shell.yaml", question)
	got, code := s.code(t, p.block(t, "sh", "-f shell.yaml"))
	if want := "jane may not open a shell in production; ask who is on call"; code != 2 || !strings.Contains(got, want) {
		t.Errorf("a shell for jane: exit code %d\n%s", code, got)
	}
	s.write(t, "shell.yaml", strings.Replace(question, "[developers]", "[on-call]", 1))
	got, code = s.code(t, p.block(t, "sh", "-f shell.yaml"))
	if code != 0 || !strings.Contains(got, "no-opinion") {
		t.Errorf("a shell for who is on call: exit code %d\n%s", code, got)
	}

	// The document of the README, beside the policy of the library with its own parameters, as the README serves them.
	s.write(t, "my-policies/privileged.yaml", readme.block(t, "yaml", "kind: Policy"))
	s.write(t, "pod.yaml", `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod-shop},
  spec: {containers: [{name: app, image: registry.example.com/debug/a, securityContext: {privileged: true}}]}}`)
	_, served, found := strings.Cut(readme.block(t, "sh", "bin/portcullis serve"), "serve ")
	if !found {
		t.Fatal("the README serves nothing")
	}
	got, code = s.code(t, "bin/portcullis review -f pod.yaml "+served)
	if code != 2 || !strings.Contains(got, " pods.privileged: ") || strings.Contains(got, "no-privileged-in-prod") {
		t.Errorf("an exempt image: exit code %d\n%s", code, got)
	}
}

// The table of what is undefined: on an object and a question that lack everything, the first column has no value, and the last is true.
func TestUndefinedIsNotFalse(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs/policies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var written, better strings.Builder
	rows := regexp.MustCompile("(?m)^\\| `(.*)` \\| wh.* \\| `(.*)` \\|$").FindAllStringSubmatch(string(text), -1)
	if len(rows) == 0 {
		t.Fatal("the page has no such table")
	}
	for i, row := range rows {
		fmt.Fprintf(&written, "written contains %d if {\n\t%s\n}\n", i, row[1])
		fmt.Fprintf(&better, "better contains %d if {\n\t%s\n}\n", i, row[2])
	}
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	s.write(t, "idioms.rego", "package idioms\n\nimport data.portcullis.kubernetes\nimport data.portcullis.quantities\n\n"+written.String()+better.String())
	s.write(t, "input.json", `{"request": {"operation": "CREATE", "kind": {"kind": "Deployment"}, "object": {"metadata": {}, "spec": {}}}, "spec": {}}`)
	got := s.run(t, "bin/portcullis eval -d idioms.rego -i input.json -f raw '[count(data.idioms.written), count(data.idioms.better)]'")
	if want := fmt.Sprintf("[0,%d]\n", len(rows)); got != want {
		t.Errorf("how many have a value: %s, want %s", got, want)
	}

	p := read(t, "docs/policies.md", strings.NewReplacer())
	s.write(t, "my-policies/owner.rego", p.block(t, "rego", "package team.owner"))
	for labels, want := range map[string]int{"{}": 2, "null": 2, "{team: shop-web}": 0, "{team: bank}": 2, `{team: "7"}`: 2} {
		s.write(t, "deployment.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: "+labels+"}}")
		if out, code := s.code(t, "bin/portcullis review -f deployment.yaml --policies my-policies"); code != want {
			t.Errorf("labels %s: exit code %d, want %d\n%s", labels, code, want, out)
		}
	}
	s.write(t, "my-policies/shells.rego", p.block(t, "rego", "package team.shells"))
	question := strings.NewReplacer("  user: jane\n", "", "  groups: [developers]\n", "").Replace(p.block(t, "yaml", "kind: SubjectAccessReview"))
	s.write(t, "shell.yaml", strings.Replace(question, "spec:", "spec:\n  user: jane", 1))
	if out, code := s.code(t, "bin/portcullis review -f shell.yaml --policies my-policies"); code != 2 {
		t.Errorf("a shell for who is in no group: exit code %d\n%s", code, out)
	}
	s.write(t, "my-policies/owner.rego", strings.Replace(p.block(t, "rego", "package team.owner"), "if not owned", `if not startswith(kubernetes.labels.team, "shop-")`, 1))
	s.write(t, "deployment.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}")
	if out, code := s.code(t, "bin/portcullis review -f deployment.yaml --policies my-policies"); code != 0 {
		t.Errorf("written the other way, what has no label does not pass, so that the page warns of nothing: exit code %d\n%s", code, out)
	}
}

// The loop over containers that the page prints, with what comes of it; and what an entry of them does not have.
func TestContainers(t *testing.T) {
	p := read(t, "docs/policies.md", strings.NewReplacer())
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	policy := p.block(t, "rego", "package team.memory")
	s.write(t, "my-policies/memory.rego", policy)
	s.write(t, "memory.yaml", p.block(t, "yaml", "name: greedy"))
	got, code := s.code(t, p.block(t, "sh", "-f memory.yaml"))
	if want := p.block(t, "text", "memory.yaml:1"); code != 2 || got != want {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, got, want)
	}
	s.run(t, "bin/portcullis fmt --list --fail my-policies && bin/portcullis check --strict my-policies")
	s.write(t, "my-policies/memory.rego", strings.Replace(policy, "small(c.container)", "small(c)", 1))
	if entry, code := s.code(t, p.block(t, "sh", "-f memory.yaml")); code != 2 || entry != got {
		t.Errorf("quantities.limit of an entry: exit code %d\n%s\nwant\n%s", code, entry, got)
	}
	s.write(t, "my-policies/memory.rego", strings.Replace(policy, "c.container)", "c.image)", 1))
	if got, code := s.code(t, "bin/portcullis check my-policies"); code == 0 || !strings.Contains(got, `want (one of): ["container" "kind" "name" "path"]`) {
		t.Errorf("what an entry does not have: exit code %d\n%s", code, got)
	}
}

// code types a command, and returns what it prints and its exit code.
func (s shell) code(t *testing.T, text string) (output string, code int) {
	t.Helper()
	out, err := s.command(t, text).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}
