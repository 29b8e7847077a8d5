package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// TestMain lets the scripts call portcullis: this test binary again, as a process of its own.
func TestMain(m *testing.M) {
	language.Register() // for tests that call Run
	logClients()
	testscript.Main(m, map[string]func(){
		"portcullis": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs what a person would type, in testdata, and looks at what comes of it. Anyone can add a script; with UPDATE=1 in the
// environment, what "cmp" compares with is written into it.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var dirs []string
	for _, script := range scripts {
		dirs = append(dirs, filepath.Dir(script))
	}
	for _, dir := range slices.Compact(dirs) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			testscript.Run(t, testscript.Params{Dir: dir, RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE") != ""})
		})
	}
}
