// Package test holds what the tests are run by to its word.
package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What fails is counted once: a test by itself, and a step only when it failed without one.
func TestTheSumsOfAllSteps(t *testing.T) {
	script, err := os.ReadFile("steps.sh")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	// It stands for gotestsum: its last argument is what came of two tests and their package.
	const tool = "#!/bin/sh\nfor last; do :; done\nprintf '{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"A\"}\\n" +
		"{\"Action\":\"%s\",\"Package\":\"p\",\"Test\":\"B\"}\\n{\"Action\":\"%s\",\"Package\":\"p\"}\\n' $last $last >$5\ntest $last != fail\n"
	if err := os.WriteFile(filepath.Join(root, "bin", "gotestsum"), []byte(tool), 0o700); err != nil {
		t.Fatal(err)
	}
	for steps, want := range map[string]string{
		"check ok true":            "\n1 passed, 0 failed, 0 skipped\n",
		"check no false":           "\nFAILED: no\n0 passed, 1 failed, 0 skipped\n",
		"check all tests all pass": "\n3 passed, 0 failed, 0 skipped\n",
		"check all tests all skip": "\n2 passed, 0 failed, 1 skipped\n",
		"check all tests all fail": "\nFAILED: all\n1 passed, 1 failed, 0 skipped\n",
		"check a tests a fail; check b tests b fail; check ok true; check no false": "\nFAILED: a\nFAILED: b\nFAILED: no\n3 passed, 3 failed, 0 skipped\n",
	} {
		out, err := exec.Command("bash", "-uo", "pipefail", "-c", "root=$1\n"+string(script)+steps+"; sums", "-", root).CombinedOutput()
		if !strings.HasSuffix(string(out), want) || (err == nil) == strings.Contains(want, "FAILED") {
			t.Errorf("%s: %v\n%s\nwant %s", steps, err, out, want)
		}
	}
}
