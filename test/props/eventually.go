package props

import (
	"testing"
	"time"
)

// patience is far more than anything awaited takes on an idle machine, and less than go test allows a package.
const patience = 2 * time.Minute

// Eventually asks until ok says yes, which another goroutine or process is about to bring about. After two minutes the test fails, with
// what was awaited in the words of a clause: "the server serves". It must be called from the test's own goroutine.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened that %s", what)
		}
	}
}
