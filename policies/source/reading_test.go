package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What cannot be read any more is told once and not at each look, and told to be gone when it is, though the files are what they were.
func TestALastingProblemIsToldOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policies")
	write(t, filepath.Join(dir, "rule.rego"), rule("one"))
	write(t, filepath.Join(dir, "bad.rego"), "package bad\n\ndeny contains if {\n")
	files := newFiles(t, dir)
	var r reading
	look := func() string {
		state, err := files.scan()
		bundle, news := r.next(files, state, err)
		if !news {
			return "nothing new"
		}
		return said(bundle)
	}
	nothing := func() error { return nil }
	good := `team.rule "one"; ` + filepath.Join(dir, "bad.rego") + ":3: unexpected if keyword"
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{nothing, good},
		{nothing, "nothing new"},
		{func() error { return os.Rename(dir, dir+"-gone") }, good + "; policies: stat " + dir + ": no such file or directory"},
		{nothing, "nothing new"},
		{func() error { return os.Symlink(dir, dir) }, good + "; policies: stat " + dir + ": too many levels of symbolic links"},
		{nothing, "nothing new"},
		{func() error { return errors.Join(os.Remove(dir), os.Rename(dir+"-gone", dir)) }, good},
		{nothing, "nothing new"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != step.want {
			t.Errorf("%s\nwant %s", got, step.want)
		}
	}
}
