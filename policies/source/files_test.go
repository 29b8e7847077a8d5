package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

func rule(message string) string {
	return fmt.Sprintf("package team.rule\n\ndeny contains %q\n", message)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newFiles(t testing.TB, paths ...string) *Files {
	t.Helper()
	reader, err := native.NewReader([]native.File{{Name: "library.rego", Text: []byte("package portcullis.library.a.b\n\ndeny contains \"library\"\n")}})
	if err != nil {
		t.Fatal(err)
	}
	return &Files{Paths: paths, Reader: reader}
}

// running yields the bundles of f while the test runs.
func running(t *testing.T, f *Files) <-chan policies.Bundle {
	t.Helper()
	bundles := make(chan policies.Bundle, 8)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, func(b policies.Bundle) { bundles <- b }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return bundles
}

// said is what the policies of a bundle say, and what is wrong with it.
func said(b policies.Bundle) string {
	var out []string
	for _, s := range b.Specs {
		out = append(out, s.ID+" "+s.Modules[0].Rules[0].Head.Key.String())
	}
	for _, f := range b.Faults {
		out = append(out, f.Err.Error())
	}
	for _, d := range b.Documents {
		out = append(out, d.Object.GetKind()+" "+d.Object.GetName())
	}
	return strings.Join(out, "; ")
}

func expect(t *testing.T, bundles <-chan policies.Bundle, want string) {
	t.Helper()
	// An editor's save may be seen half way; what counts is where it ends.
	for b := range bundles {
		got := said(b)
		if got == want {
			return
		}
		t.Logf("on the way: %s", got)
	}
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rule.rego"), rule("one"))
	bundles := running(t, newFiles(t, dir))
	expect(t, bundles, `team.rule "one"`)

	t.Run("written over", func(t *testing.T) {
		write(t, filepath.Join(dir, "rule.rego"), rule("two"))
		expect(t, bundles, `team.rule "two"`)
	})
	t.Run("saved by renaming, as editors do", func(t *testing.T) {
		write(t, filepath.Join(dir, ".rule.rego.swp"), rule("three"))
		if err := os.Rename(filepath.Join(dir, ".rule.rego.swp"), filepath.Join(dir, "rule.rego")); err != nil {
			t.Fatal(err)
		}
		expect(t, bundles, `team.rule "three"`)
	})
	t.Run("in a directory that is new", func(t *testing.T) {
		if err := os.Remove(filepath.Join(dir, "rule.rego")); err != nil {
			t.Fatal(err)
		}
		expect(t, bundles, ``)
		write(t, filepath.Join(dir, "deep", "er", "rule.rego"), rule("four"))
		expect(t, bundles, `team.rule "four"`)
		write(t, filepath.Join(dir, "deep", "er", "rule.rego"), rule("five"))
		expect(t, bundles, `team.rule "five"`)
	})
	t.Run("spoilt", func(t *testing.T) {
		file := filepath.Join(dir, "deep", "er", "rule.rego")
		write(t, file, "package team.rule\n\ndeny contains if {\n")
		expect(t, bundles, file+":3: unexpected if keyword")
	})
}

// A ConfigMap's volume: files are symlinks into ..data, which is a symlink that is swapped.
func TestKubernetesVolumesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "..2026_01", "rule.rego"), rule("one"))
	link("..2026_01", "..data")
	link("..data/rule.rego", "rule.rego")
	bundles := running(t, newFiles(t, dir))
	expect(t, bundles, `team.rule "one"`)
	write(t, filepath.Join(dir, "..2026_02", "rule.rego"), rule("two"))
	link("..2026_02", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "..2026_01")); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `team.rule "two"`)
}

func TestASingleFileAndTheLibrary(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rule.rego")
	write(t, file, rule("one"))
	files := newFiles(t, file)
	files.Library = []string{"a.b"}
	bundles := running(t, files)
	expect(t, bundles, `team.rule "one"; a.b "library"`)
	write(t, file, rule("two"))
	expect(t, bundles, `team.rule "two"; a.b "library"`)
}

func TestWhatWasReadStaysWhenADirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policies")
	write(t, filepath.Join(dir, "rule.rego"), rule("one"))
	bundles := running(t, newFiles(t, dir))
	expect(t, bundles, `team.rule "one"`)
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, fmt.Sprintf(`team.rule "one"; policies: stat %s: no such file or directory`, dir))
}

func TestPathsThatCannotBeRead(t *testing.T) {
	round := filepath.Join(t.TempDir(), "round")
	if err := os.MkdirAll(round, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(round, filepath.Join(round, "again")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files *Files
		want  string
	}{
		"missing": {newFiles(t, "/nowhere/at/all"), "policies: stat /nowhere/at/all: no such file or directory"},
		"round":   {newFiles(t, round), "directories nest deeper than 16, or a symlink leads back"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.files.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run: %v", err)
			}
			if _, err := c.files.Load(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load: %v", err)
			}
		})
	}
}

func TestAPolicyTheLibraryDoesNotHave(t *testing.T) {
	files := newFiles(t)
	files.Library = []string{"a.c"}
	bundle, err := files.Load(t.Context())
	if err != nil || said(bundle) != `the library has no policy or bundle "a.c"; did you mean a.b?` {
		t.Errorf("%s %v", said(bundle), err)
	}
}

func TestAPathIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "team")
	file := filepath.Join(below, "a.Rego")
	write(t, file, rule("no"))
	want := "policies: " + file + " is read twice; name each path once, and none that lies in another"
	for _, paths := range [][]string{{dir, dir}, {dir, below}, {file, dir}, {dir, dir + "/"}} {
		if _, err := newFiles(t, paths...).Load(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%v: got %v\nwant %s", paths, err, want)
		}
	}
	if bundle, err := newFiles(t, dir).Load(t.Context()); err != nil || len(bundle.Specs) != 1 {
		t.Errorf("whatever the case of its extension, %s is read once: %v %v", file, bundle, err)
	}
}
