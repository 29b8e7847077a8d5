package language

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Whoever comes from Gatekeeper reads in the documentation what templates may not call, and what ends their evaluation.
func TestGatekeeperDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/gatekeeper.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(text), "\n")
	said := func(row ...string) {
		t.Helper()
		if !slices.ContainsFunc(rows, func(r string) bool {
			return strings.HasPrefix(r, "| ") && !slices.ContainsFunc(row, func(word string) bool { return !strings.Contains(r, word) })
		}) {
			t.Errorf("docs/gatekeeper.md has no row with %q", row)
		}
	}
	for name := range forbidden {
		if !slices.Contains(established, name) {
			said("`"+name+"`", "is refused")
		}
	}
	for _, name := range established {
		if limits[name] != nil && !strings.HasPrefix(name, "graphql.") {
			said("`"+name+"`", "ends the evaluation")
		}
	}
	said("`graphql.*`", fmt.Sprintf("longer than %d KiB", maxSource>>10))
	said("`graph.reachable_paths`", fmt.Sprintf("more than %d edges", maxEdges))
	said("`net.cidr_expand`", fmt.Sprintf("more than %d bits", maxHostBits))
	said("`bits.lsh`", fmt.Sprintf("more than %d bits", maxShift), fmt.Sprintf("beyond %d", maxPower))
	said("`regex.globs_match`", fmt.Sprintf("more than %d repetitions", maxStars))
	said(fmt.Sprintf("more than %d elements", maxElements), fmt.Sprintf("longer than %d MiB", maxText>>20))
}
