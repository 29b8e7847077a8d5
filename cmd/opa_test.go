package cmd

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

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

// What OPA's commands say of themselves is ours: of this program, and of flags that do something.
func TestOPAHelpIsOurs(t *testing.T) {
	theirs := regexp.MustCompile(`(?i)\bopa\b|open ?policy|\b(an|your) portcullis`)
	for _, c := range opaCommands() {
		var text strings.Builder
		c.SetOut(&text)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		if found := theirs.FindAllString(c.Short+text.String(), -1); found != nil || c.Short == "" || c.Example == "" {
			t.Errorf("%s: %q in\n%s", c.Name(), found, text.String())
		}
		for _, name := range opaHelps[c.Name()].hidden {
			if c.Flags().Lookup(name) == nil {
				t.Errorf("%s has no flag --%s to hide", c.Name(), name)
			}
		}
	}
}

// The examples of the help are run as they stand, one after the other, in a directory with what they name.
func TestOPAExamplesRun(t *testing.T) {
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	var script strings.Builder
	examples := 0
	for _, c := range opaCommands() {
		for line := range strings.Lines(c.Example) {
			examples++
			fmt.Fprintf(&script, "exec %s\n", strings.TrimSpace(line))
		}
	}
	if examples < len(opaMounts) {
		t.Errorf("%d examples", examples)
	}
	fmt.Fprintf(&script, `-- key.pem --
%s-- review.json --
{"request": {"kind": {"kind": "Deployment"}, "operation": "CREATE", "object": {"spec": {"replicas": 11}}}}
-- policies/replicas.rego --
# METADATA
# title: Replicas are bounded
package team.replicas

import data.portcullis.kubernetes

deny contains "too many" if kubernetes.object.spec.replicas > 10
-- policies/replicas_test.rego --
package team.replicas_test

import data.team.replicas

test_replicas if {
	count(replicas.deny) == 1 with input as {"request": {
		"kind": {"kind": "Deployment"},
		"operation": "CREATE",
		"object": {"spec": {"replicas": 11}},
	}}
}
`, pem.EncodeToMemory(block))
	if err := os.WriteFile(filepath.Join(dir, "examples.txtar"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir})
}

// A command of OPA that does not end is left behind when the process is told to end.
func TestOPACommandsAreInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &cobra.Command{}
	c.SetContext(ctx)
	release := make(chan struct{})
	defer close(release)
	err := interruptible(c, nil, func(*cobra.Command, []string) error {
		cancel()
		<-release
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The library is checked as it lies in the repository, although nobody else may bring its packages.
func TestCheckOfTheLibrary(t *testing.T) {
	if faults, _, _ := policyFaults(t.Context(), []string{"../policies/library"}, nil); faults != nil {
		t.Error(faults)
	}
	theirs := filepath.Join(t.TempDir(), "rule.rego")
	if err := os.WriteFile(theirs, []byte("package portcullis.kubernetes\n\nobject := 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := theirs + ":1: package data.portcullis.kubernetes belongs to the library or is named like its policy; give yours another name"
	if faults, _, _ := policyFaults(t.Context(), []string{theirs}, nil); len(faults) != 1 || faults[0] != want {
		t.Error(faults)
	}
}

// Of the documents in a directory, data.yaml alone is data.
func TestAllBut(t *testing.T) {
	patterns := allBut("data", ".yaml", ".json")
	for name, left := range map[string]bool{
		"data.yaml": true, "data.json": true, "data.rego": true, "rule.rego": true, "data": true,
		"a.yaml": false, "d.yaml": false, "da.yaml": false, "dat.yaml": false, "data2.yaml": false, "data.old.yaml": false, "date.yaml": false,
		"dxta.json": false, "Data.json": false, ".yaml": false, "d.json": false, "allow.yaml": false, "d.a.yaml": false,
	} {
		matched := slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, err := filepath.Match(pattern, name)
			return ok || err != nil
		})
		if matched == left {
			t.Errorf("%s is left out: %v", name, matched)
		}
	}
}
