package props

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A server that is missing, or older than a source, is refused; one built since is what the tests run.
func TestAnEarlierServerIsRefused(t *testing.T) {
	root := t.TempDir()
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, text string, age time.Duration) {
		t.Helper()
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	write("Makefile", string(makefile), time.Hour)
	if out, err := exec.Command("git", "-C", root, "init").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const refused = "bin/portcullis is missing, or older than what it is built of: run `make bin/portcullis`"
	current := func(when string, want bool) {
		t.Helper()
		path, err := Server(t.Context(), root)
		switch {
		case want && (err != nil || path != filepath.Join(root, "bin", "portcullis")):
			t.Errorf("%s: %q, %v", when, path, err)
		case !want && (err == nil || err.Error() != refused):
			t.Errorf("%s: %v", when, err)
		}
	}
	for _, source := range []string{"cmd/serve.go", "policies/library/pods/privileged/rule.rego", "policies/sentinel/reviews/dns.yaml", "go.mod"} {
		write(source, "", time.Hour)
	}
	current("missing", false)
	write("bin/portcullis", "", time.Minute)
	current("built", true)
	for _, source := range []string{"cmd/serve.go", "policies/library/pods/privileged/rule.rego", "policies/sentinel/reviews/dns.yaml", "go.mod"} {
		write(source, "", 0)
		current(source+" is newer", false)
		write(source, "", time.Hour)
	}
	for _, other := range []string{"cmd/serve_test.go", "test/props/server.go", "charts/portcullis/values.yaml"} {
		write(other, "", 0)
		current(other+" is newer", true)
	}
}
