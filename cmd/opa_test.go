package cmd

import (
	"slices"
	"testing"
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
