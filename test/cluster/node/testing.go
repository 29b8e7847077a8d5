package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tailLines is how much of each Pod's log a failed test shows.
const tailLines = 30

// StartT starts a node for one test and stops it when the test is over, before the cluster that the test started earlier. It lives in a
// temporary directory unless Options.Dir is set. If the test fails, the ends of the Pods' logs are shown.
func StartT(t testing.TB, o Options) *Node {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	n, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Stop()
		if !t.Failed() {
			return
		}
		logs, _ := filepath.Glob(filepath.Join(n.Logs(), "*.log"))
		for _, log := range logs {
			text, _ := os.ReadFile(log)
			lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
			t.Logf("the end of %s:\n%s", filepath.Base(log), strings.Join(lines[max(0, len(lines)-tailLines):], "\n"))
		}
	})
	return n
}
