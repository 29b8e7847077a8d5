package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// opaProcess is set in the environment of the processes TestOPA starts.
const opaProcess = "PORTCULLIS_TEST_OPA_PROCESS"

// TestOPA runs the scripts of testdata/opa. OPA's commands write to the standard output of the process, so each runs in one of its own:
// this test binary again, as TestOPAProcess.
func TestOPA(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %q -test.run='^TestOPAProcess$' -- \"$@\"\n", opaProcess, self)
	if err := os.WriteFile(filepath.Join(bin, "portcullis"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: opaScripts(t),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
	})
}

// TestOPAProcess is the program, in a process that TestOPA started.
func TestOPAProcess(t *testing.T) {
	if os.Getenv(opaProcess) == "" {
		t.Skip("for TestOPA")
	}
	args := os.Args[slices.Index(os.Args, "--")+1:]
	os.Exit(Main(args, os.Stdin, os.Stdout, os.Stderr))
}

func opaScripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/opa/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return files
}

// A command that OPA renames must not go missing silently.
func TestOPACommandsAreAllMounted(t *testing.T) {
	var names []string
	for _, c := range opaCommands() {
		names = append(names, c.Name())
	}
	slices.Sort(names)
	var want []string
	for _, mount := range opaMounts {
		want = append(want, mount.name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("mounted %v, want %v", names, want)
	}
}
