package main

import (
	"os"
	"path/filepath"
	"testing"
)

func furnished(t *testing.T, h home, fresh bool) (edited bool) {
	t.Helper()
	login, err := newLogin()
	if err != nil {
		t.Fatal(err)
	}
	edited, err = h.furnish(login, fresh)
	if err != nil {
		t.Fatal(err)
	}
	return edited
}

func TestPoliciesAreTheUsers(t *testing.T) {
	h := home(t.TempDir())
	if furnished(t, h, false) {
		t.Error("the policies shipped are taken for edited")
	}
	if furnished(t, h, false) {
		t.Error("policies nobody touched are taken for edited")
	}

	names, mine := filepath.Join(h.policies(), "names.rego"), filepath.Join(h.policies(), "mine.rego")
	other := h.manifest("good.yaml")
	for _, file := range []string{names, other} {
		if err := os.WriteFile(file, []byte("package edited\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !furnished(t, h, false) {
		t.Error("an edited policy is taken for the one shipped")
	}
	if text, err := os.ReadFile(names); string(text) != "package edited\n" {
		t.Errorf("the edited policy is now %q, %v", text, err)
	}
	if text, _ := os.ReadFile(other); string(text) == "package edited\n" {
		t.Error("what is not a policy is not made anew")
	}
	if furnished(t, h, true) {
		t.Error("fresh policies are not those shipped")
	}
	for name, change := range map[string]func() error{
		"a policy of one's own": func() error { return os.WriteFile(mine, []byte("package mine\n"), 0o600) },
		"one taken away":        func() error { return os.Remove(names) },
		"another in its place":  func() error { return os.Rename(names, mine) },
	} {
		furnished(t, h, true)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if !furnished(t, h, false) {
			t.Errorf("%s is not noticed", name)
		}
	}
	if err := os.RemoveAll(h.policies()); err != nil {
		t.Fatal(err)
	}
	if furnished(t, h, false) {
		t.Error("removed policies do not come back as shipped")
	}
}

// A test of the demonstration must not spoil what the user has edited, nor the lock of a demonstration that is up.
func TestHomesOfTheirOwn(t *testing.T) {
	h := home(t.TempDir())
	unlock, err := h.once().lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	furnished(t, h.once(), true)
	furnished(t, h, false)
	if same, err := asShipped(h.once().policies()); err != nil || !same {
		t.Errorf("the one home has changed the other: %v", err)
	}
	if _, err := h.once().lock(); err == nil {
		t.Error("the lock is gone")
	}
}
