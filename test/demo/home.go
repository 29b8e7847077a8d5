package main

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// shipped are the policies and manifests of the walk.
//
//go:embed policies manifests
var shipped embed.FS

// lockName is the file in a home that tells whether a demonstration is up in it.
const lockName = "lock"

// home is the folder of a demonstration. Everything in it is made anew by each, except for the policies, which are the user's to edit.
type home string

func (h home) join(name string) string { return filepath.Join(string(h), name) }

// policies and made are the policies in force: those shipped, and those with a key or a time in them that are made for one demonstration.
func (h home) policies() string { return h.join("policies") }
func (h home) made() string     { return h.join("made") }

func (h home) manifest(name string) string { return filepath.Join(h.join("manifests"), name) }
func (h home) decisions() string           { return h.join("decisions.jsonl") }

// once is the home of demonstrations that nobody edits. It is apart from the other, so that a test spoils nobody's policies and runs
// beside a demonstration that is up.
func (h home) once() home { return home(h.join("once")) }

// furnish puts everything in place that the walk needs. The policies that are there stay, unless they are to be fresh; it reports whether
// they are other than those shipped.
func (h home) furnish(l login, fresh bool) (edited bool, err error) {
	entries, err := os.ReadDir(string(h))
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name == lockName || name == "once" || name == "policies" && !fresh {
			continue
		}
		if err := os.RemoveAll(h.join(name)); err != nil {
			return false, err
		}
	}
	for _, folder := range []string{"policies", "manifests"} {
		if _, err := os.Stat(h.join(folder)); err == nil {
			continue
		}
		files, err := fs.Sub(shipped, folder)
		if err != nil {
			return false, err
		}
		if err := os.CopyFS(h.join(folder), files); err != nil {
			return false, err
		}
	}
	if err := os.Mkdir(h.made(), 0o755); err != nil {
		return false, err
	}
	for name, text := range map[string][]byte{"login.yaml": l.policy(), "breakglass.yaml": breakGlass()} {
		if err := os.WriteFile(filepath.Join(h.made(), name), text, 0o600); err != nil {
			return false, err
		}
	}
	same, err := asShipped(h.policies())
	return !same, err
}

// asShipped reports whether a folder holds the policies that are shipped and no other file.
func asShipped(folder string) (bool, error) {
	wanted, err := shipped.ReadDir("policies")
	if err != nil {
		return false, err
	}
	found, err := os.ReadDir(folder)
	if err != nil || len(found) != len(wanted) {
		return false, err
	}
	for _, file := range wanted {
		want, err := shipped.ReadFile("policies/" + file.Name())
		if err != nil {
			return false, err
		}
		got, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(got, want) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
