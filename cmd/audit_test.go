package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The exit code says the worst: that something is not known before what was found.
func TestExitCodesOfAudit(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: a}}",
		"bad.yaml":  "{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: c, securityContext: {privileged: true}}]}}",
		"torn.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {containers: [{name: c, securityContext: {privileged: true}}]}}\n---\n{torn\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]int{
		"-f good.yaml":                               exitOK,
		"-f bad.yaml":                                exitRefused,
		"-f bad.yaml --fail-on none":                 exitOK,
		"-f torn.yaml":                               exitPartial,
		"-f torn.yaml --fail-on none":                exitPartial,
		"-f bad.yaml --fail-on sometimes":            exitFault,
		"-f bad.yaml --policy pods.none":             exitFault,
		"-f missing.yaml":                            exitFault,
		"-f bad.yaml --output-file missing/out.html": exitFault,
	} {
		var out, errs buffer
		all := []string{"audit", "--policies=library:pods.privileged"}
		for arg := range strings.FieldsSeq(args) {
			if strings.Contains(arg, ".") && arg != "pods.none" {
				arg = filepath.Join(dir, arg)
			}
			all = append(all, arg)
		}
		if got := Run(t.Context(), all, nil, &out, &errs); got != want {
			t.Errorf("%s: exit code %d, want %d\n%s", args, got, want, errs.String())
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("%q are left, %v", left, err)
	}
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		done, all, columns int
		want               string
	}{
		{3, 0, 80, "pods: 3"},
		{50, 100, 41, "pods: 50 of 100 [###########...........]"},
		{200, 100, 41, "pods: 200 of 100 [#####################]"},
		{50, 100, 20, "pods: 50 of 100"},
		{50, 100, 10, "pods: 50 "},
		{50, 100, 0, "pods: 50 of 100"},
	} {
		if got := progressLine("pods", c.done, c.all, c.columns); got != c.want {
			t.Errorf("%d of %d in %d columns: %q", c.done, c.all, c.columns, got)
		}
	}
	var out buffer
	p := newProgress(&out)
	p.tell("pods", 1, 2)
	if p.done(); out.String() != "" {
		t.Errorf("%q is told to what is no terminal", out.String())
	}
}
