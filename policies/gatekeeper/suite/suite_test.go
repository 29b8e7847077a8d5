package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
	"github.com/portcullis-dev/portcullis/policies/language"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

// told is what came of suites, in lines.
func told(r suite.Report) string {
	var out strings.Builder
	say := func(indent string, lines ...string) {
		for _, line := range lines {
			if line != "" {
				fmt.Fprintf(&out, "%s%s\n", indent, strings.ReplaceAll(line, "\n", "\n"+indent))
			}
		}
	}
	for _, s := range r.Suites {
		say("", fmt.Sprintf("%s: %s", s.File, s.Outcome))
		for _, note := range s.Notes {
			say("", "note "+note)
		}
		say("  ", s.Error)
		for _, t := range s.Tests {
			say("  ", fmt.Sprintf("%s: %s", t.Name, t.Outcome), t.Error, t.Failure)
			for _, c := range t.Cases {
				say("    ", fmt.Sprintf("%s: %s", c.Name, c.Outcome), c.Error)
				for _, f := range c.Failures {
					say("      ", fmt.Sprintf("%s: %s", f.At, f.Want))
					for _, message := range f.Got {
						say("        got ", message)
					}
				}
			}
		}
	}
	fmt.Fprintf(&out, "%+v\n", r.Tally)
	return out.String()
}

// Every file of testdata/run has suites and what they name, and in "want" what comes of running them, which UPDATE=1 writes. Each has suites
// that hold and suites that must not.
func TestRun(t *testing.T) {
	files, err := filepath.Glob("testdata/run/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			for _, f := range archive.Files {
				if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			found, err := suite.Find([]string{"..."})
			if err != nil {
				t.Fatal(err)
			}
			var report suite.Report
			if err := new(suite.Runner).Run(t.Context(), found, report.Add); err != nil {
				t.Fatal(err)
			}
			got := told(report)
			at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			if os.Getenv("UPDATE") != "" {
				if at < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					at = len(archive.Files) - 1
				}
				archive.Files[at].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if at < 0 || got != string(archive.Files[at].Data) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// Two suites of one directory that go by the same template and the same constraint, on as many goroutines as there are, each see their own
// inventory.
func TestManySuitesAtOnce(t *testing.T) {
	dir := library(t, 4)
	for i := range 4 {
		text, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("s%d/suite.yaml", i)))
		if err != nil {
			t.Fatal(err)
		}
		for j := range 8 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%d/suite%d.yaml", i, j)), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := suite.Find([]string{dir + "/..."})
	if err != nil {
		t.Fatal(err)
	}
	var report suite.Report
	if err := new(suite.Runner).Run(t.Context(), files, report.Add); err != nil {
		t.Fatal(err)
	}
	if (report.Tally != suite.Tally{Cases: 4 * 9 * 5}) {
		t.Error(told(report))
	}
	if !slices.IsSortedFunc(report.Suites, func(a, b suite.SuiteResult) int { return strings.Compare(a.File, b.File) }) {
		t.Error("the suites are not told of in order")
	}
}

func TestFilter(t *testing.T) {
	const text = `
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
- name: owners
  cases: [{name: missing}, {name: there}]
- name: missing-teams
  cases: [{name: empty}, {name: there}]
`
	for filter, want := range map[string]string{
		"":                 "owners[missing there] missing-teams[empty there]",
		"missing":          "owners[missing] missing-teams[empty there]",
		"^missing$":        "owners[missing]",
		"owners":           "owners[missing there]",
		"owners//":         "owners[missing there]",
		"//there":          "owners[there] missing-teams[there]",
		"^missing//there$": "missing-teams[there]",
		"OWNERS":           "",
		"owners//nothing":  "owners[]",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "suite.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := suite.ParseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = (&suite.Runner{Filter: f}).Run(t.Context(), []string{file}, func(s suite.SuiteResult) {
			for _, test := range s.Tests {
				if test.Outcome != suite.Skipped { // they have no template
					got = append(got, test.Name)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		tests := strings.Join(got, " ")
		wanted := []string{}
		for name := range strings.SplitSeq(want, "] ") {
			if name, _, _ = strings.Cut(name, "["); name != "" {
				wanted = append(wanted, name)
			}
		}
		if tests != strings.Join(wanted, " ") {
			t.Errorf("%q: got %s, want %s", filter, tests, want)
		}
	}
	for filter, want := range map[string]string{
		"a//b//c": `the filter "a//b//c" cannot be read: "//" stands between the name of a test and that of a case, and is there once`,
		"(":       "the filter \"(\" cannot be read: error parsing regexp: missing closing ): `(`",
		"a//(":    "the filter \"a//(\" cannot be read: error parsing regexp: missing closing ): `(`",
	} {
		if _, err := suite.ParseFilter(filter); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nskip: true\ntests: [{name: a, template: t, constraint: c, cases: [{object: o, assertions: [{violations: yes}]}]}]",
		"apiVersion: test.portcullis.dev/v1alpha1\nkind: Suite\ntests: [{policies: [a], cases: [{user: {username: a}, assertions: [{verdict: deny}]}]}]",
		"apiVersion: test.portcullis.dev/v1alpha1\nkind: Suite\ntests: [{mutators: [a], expansion: e, cases: [{object: o, assertions: [{object: p}]}]}]",
		"apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests: {a: 1}\n---\nkind: Other",
		"apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nTESTS: [null, {cases: [null, {assertions: [null, {violations: -1, message: 3}]}]}]",
		"apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests: &a [*a]", "1: 2", "- a", "\x00", "a: !!binary x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := suite.Read("fuzz.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "fuzz.yaml:") {
				t.Errorf("the error does not name its place: %v", err)
			}
			return
		}
		if s == nil {
			return
		}
		file := filepath.Join(t.TempDir(), "fuzz.yaml")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		err = new(suite.Runner).Run(t.Context(), []string{file}, func(r suite.SuiteResult) {
			if r.Outcome == suite.Failed {
				t.Error("nothing can be judged, and a case has failed")
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
