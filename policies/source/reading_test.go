package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
		bundle, news := r.next(t.Context(), files, state, err, time.Now())
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

// What saves a file without renaming leaves a moment in which the policy is not there. It is in force in that moment, too.
func TestAPolicyOutlivesTheMomentOfASave(t *testing.T) {
	const spoilt = "package team.rule\n\ndeny contains if {\n"
	const document = "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: named}\nspec: {use: a.b}\n"
	const assign = "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\n"
	type step struct {
		after time.Duration // since the step before
		files map[string]string
		want  string
	}
	const nothing = "nothing new"
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"deleted and written", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, nil, `team.rule "one"`},
			{300 * time.Millisecond, nil, nothing},
			{300 * time.Millisecond, map[string]string{"a.rego": rule("two")}, `team.rule "two"`},
			{10 * time.Second, map[string]string{"a.rego": rule("two")}, nothing},
		}},
		{"deleted for good", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, nil, `team.rule "one"`},
			{999 * time.Millisecond, nil, nothing},
			{time.Millisecond, nil, ""},
			{0, nil, nothing},
		}},
		{"renamed", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, map[string]string{"b.rego": rule("two")}, `team.rule "two"`},
			{2 * time.Second, map[string]string{"b.rego": rule("two")}, `team.rule "two"`},
		}},
		{"cleared, and copied one by one", []step{
			{0, map[string]string{"a.rego": rule("one"), "p.yaml": document}, `team.rule "one"; named "library"`},
			{0, nil, `team.rule "one"; named "library"`},
			{200 * time.Millisecond, map[string]string{"p.yaml": document}, `named "library"; team.rule "one"`},
			{200 * time.Millisecond, map[string]string{"p.yaml": document, "a.rego": rule("two")}, `team.rule "two"; named "library"`},
		}},
		{"a part is deleted and written", []step{
			{0, map[string]string{"a.rego": rule("one"), "b.rego": rule("more")}, `team.rule "one"`},
			{0, map[string]string{"b.rego": rule("more")}, `team.rule "one"`},
			{2 * time.Second, map[string]string{"b.rego": rule("more")}, `team.rule "more"`},
		}},
		{"truncated and written", []step{
			{0, map[string]string{"p.yaml": document}, `named "library"`},
			{0, map[string]string{"p.yaml": ""}, `named "library"; DIR/p.yaml: the file is empty; what it held stays in force until the file is filled or deleted: named`},
			{time.Hour, map[string]string{"p.yaml": ""}, nothing},
			{0, map[string]string{"p.yaml": " \n\t\n"}, `named "library"; DIR/p.yaml: the file is empty; what it held stays in force until the file is filled or deleted: named`},
			{0, map[string]string{"p.yaml": document}, `named "library"`},
		}},
		{"truncated and deleted", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, map[string]string{"a.rego": ""}, `team.rule "one"; DIR/a.rego: the file is empty; what it held stays in force until the file is filled or deleted: team.rule`},
			{0, nil, `team.rule "one"`},
			{time.Second, nil, ""},
		}},
		{"spoilt, then truncated", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, map[string]string{"a.rego": spoilt}, `DIR/a.rego:3: unexpected if keyword`},
			{0, map[string]string{"a.rego": "\n"}, `team.rule "one"; DIR/a.rego: the file is empty; what it held stays in force until the file is filled or deleted: team.rule`},
		}},
		{"spoilt, then deleted and written", []step{
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
			{0, map[string]string{"a.rego": spoilt}, `DIR/a.rego:3: unexpected if keyword`},
			{0, nil, `team.rule "one"`},
			{0, map[string]string{"a.rego": rule("two")}, `team.rule "two"`},
		}},
		{"documents, deleted and written", []step{
			{0, map[string]string{"a.rego": rule("one"), "m.yaml": assign}, `team.rule "one"; Assign a`},
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"; Assign a`},
			{0, map[string]string{"a.rego": rule("one"), "n.yaml": assign}, `team.rule "one"; Assign a`},
			{2 * time.Second, map[string]string{"a.rego": rule("one"), "n.yaml": assign}, `team.rule "one"; Assign a`},
			{0, map[string]string{"a.rego": rule("one")}, `team.rule "one"; Assign a`},
			{time.Second, map[string]string{"a.rego": rule("one")}, `team.rule "one"`},
		}},
		{"documents, truncated and written", []step{
			{0, map[string]string{"m.yaml": assign}, `Assign a`},
			{0, map[string]string{"m.yaml": ""}, `DIR/m.yaml: the file is empty; what it held stays in force until the file is filled or deleted: Assign a; Assign a`},
			{0, map[string]string{"m.yaml": "x: y\n"}, ``},
		}},
		{"always empty", []step{
			{0, map[string]string{"a.rego": rule("one"), "p.yaml": ""}, `team.rule "one"`},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files, now := newFiles(t, dir), time.Now()
			var r reading
			for i, step := range c.steps {
				old, err := filepath.Glob(filepath.Join(dir, "*"))
				if err != nil {
					t.Fatal(err)
				}
				for _, path := range old {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
				for name, text := range step.files {
					write(t, filepath.Join(dir, name), text)
				}
				now = now.Add(step.after)
				state, err := files.scan()
				bundle, news := r.next(t.Context(), files, state, err, now)
				got := nothing
				if news {
					got = strings.ReplaceAll(said(bundle), dir, "DIR")
				}
				if got != step.want {
					t.Errorf("step %d: %s\nwant %s", i, got, step.want)
				}
			}
		})
	}
}

func TestTheNextLookIsWhenAFileIsBelievedGone(t *testing.T) {
	now := time.Now()
	gone := map[string]time.Time{"a": now.Add(-patience / 4), "b": now}
	for want, r := range map[time.Duration]reading{
		poll:             {},
		3 * patience / 4: {gone: gone},
		0:                {gone: map[string]time.Time{"a": now.Add(-2 * patience)}},
	} {
		if got := r.wait(now); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if r := (reading{gone: gone, problem: "unreadable"}); r.wait(now) != poll {
		t.Error("paths that cannot be read are looked at all the time")
	}
}
