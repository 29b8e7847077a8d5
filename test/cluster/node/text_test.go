package node

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"NAME": "portcullis", "EMPTY": ""}
	for text, want := range map[string]string{
		"":                      "",
		"--name=$(NAME)":        "--name=portcullis",
		"$(NAME)$(NAME)":        "portcullisportcullis",
		"$$(NAME)":              "$(NAME)",
		"$(EMPTY)x":             "x",
		"$(UNKNOWN) $(NAME":     "$(UNKNOWN) $(NAME",
		"costs 5$":              "costs 5$",
		"$NAME ${NAME} $$$NAME": "$NAME ${NAME} $$NAME",
	} {
		if got := expand(text, values); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

func TestPathsAreRewritten(t *testing.T) {
	m := mounts{{path: "/etc/tls", dir: "/tmp/a"}, {path: "/etc/tls/ca", dir: "/tmp/b"}, {path: "/data", dir: "/tmp/c"}}
	for text, want := range map[string]string{
		"/etc/tls":                       "/tmp/a",
		"--cert=/etc/tls/tls.crt":        "--cert=/tmp/a/tls.crt",
		"--ca=/etc/tls/ca/ca.crt":        "--ca=/tmp/b/ca.crt",
		"--dirs=/etc/tls,/data:/etc/tls": "--dirs=/tmp/a,/tmp/c:/tmp/a",
		"--other=/etc/tls-old":           "--other=/etc/tls-old",
		"--deep=/var/data":               "--deep=/var/data",
		"serve":                          "serve",
	} {
		if got := m.rewrite(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

func TestFilesAreExchangedAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "volume")
	read := func() []string {
		t.Helper()
		var all []string
		for _, name := range []string{"a", "b", "sub/c"} {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				all = append(all, name+"="+string(text))
			}
		}
		return all
	}
	if err := writeFiles(dir, map[string][]byte{"a": []byte("1"), "b": []byte("1"), "sub/c": []byte("1")}); err != nil {
		t.Fatal(err)
	}
	before, err := os.Readlink(filepath.Join(dir, "..data"))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(); !slices.Equal(got, []string{"a=1", "b=1", "sub/c=1"}) {
		t.Errorf("at first: %v", got)
	}
	if err := writeFiles(dir, map[string][]byte{"a": []byte("2"), "sub/c": []byte("2")}); err != nil {
		t.Fatal(err)
	}
	if got := read(); !slices.Equal(got, []string{"a=2", "sub/c=2"}) {
		t.Errorf("then: %v", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, "b")); !os.IsNotExist(err) {
		t.Errorf("a link to nothing is left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, before)); !os.IsNotExist(err) {
		t.Errorf("the old files are left: %v", err)
	}
	if err := writeFiles(dir, map[string][]byte{"../out": nil}); err == nil {
		t.Error("a file outside of the volume was written")
	}
}
