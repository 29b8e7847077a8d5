package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tailLines is how much of the API server's log a failed test shows: enough for what it did last, little enough to be read.
const tailLines = 40

// StartT starts a control plane for one test and stops it when the test is over. It lives in a temporary directory unless Options.Dir is
// set. If the test fails, the end of the API server's log is shown. With -short the test is skipped.
func StartT(t testing.TB, o Options) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "plane")
	}
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Before the stop, which fills the end of the log with farewells.
		log := lastLines(filepath.Join(c.Logs(), "kube-apiserver.log"), tailLines)
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of the API server's log:\n%s", log)
		}
	})
	return c
}

func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
