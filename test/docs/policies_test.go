package docs

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// The policies, the test and the questions that the README and docs/policies.md print, written and typed by a reader who has built the
// program.
func TestPolicies(t *testing.T) {
	readme, p := read(t, "README.md", strings.NewReplacer()), read(t, "docs/policies.md", strings.NewReplacer())
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	s.write(t, "policies/replicas.rego", readme.block(t, "rego", "package team.replicas"))
	s.write(t, "policies/replicas_test.rego", p.block(t, "rego", "package team.replicas_test"))
	s.write(t, "policies/shells.rego", p.block(t, "rego", "package team.shells"))
	s.run(t, "bin/portcullis fmt --list --fail policies && bin/portcullis check --strict policies")
	if got := s.run(t, p.block(t, "sh", "portcullis test")); !strings.Contains(got, "PASS: 2/2") {
		t.Errorf("the test of the page:\n%s", got)
	}
	s.write(t, "policies/replicas.rego", strings.Replace(readme.block(t, "rego", "package team.replicas"), "> input", ">= input", 1))
	if got, code := s.code(t, p.block(t, "sh", "portcullis test")); code != 2 || !strings.Contains(got, "FAIL: 1/2") {
		t.Errorf("the test of the page, of another policy: exit code %d\n%s", code, got)
	}

	question := p.block(t, "yaml", "kind: SubjectAccessReview")
	s.write(t, "shell.yaml", question)
	got, code := s.code(t, p.block(t, "sh", "-f shell.yaml"))
	if want := "jane may not open a shell in production; ask who is on call"; code != 2 || !strings.Contains(got, want) {
		t.Errorf("a shell for jane: exit code %d\n%s", code, got)
	}
	s.write(t, "shell.yaml", strings.Replace(question, "[developers]", "[on-call]", 1))
	if got, code := s.code(t, p.block(t, "sh", "-f shell.yaml")); code != 0 || !strings.Contains(got, "no-opinion") {
		t.Errorf("a shell for who is on call: exit code %d\n%s", code, got)
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
