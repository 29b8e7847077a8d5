package cmd

import (
	"io"
	"sync"
	"testing"
)

// The race detector is the judge.
func TestRunSeveralTimesAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if code := Run(t.Context(), []string{"version"}, nil, io.Discard, io.Discard); code != exitOK {
				t.Errorf("exit code %d", code)
			}
		})
	}
	wg.Wait()
}
