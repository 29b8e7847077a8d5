package drills

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPartition (F12): the API server stands still while the servers are called directly, as another API server of the cluster would. Those
// that run answer every call. One that is restarted meanwhile has nothing to answer with, which is the control: the others do not ask the
// API server, either.
func TestPartition(t *testing.T) {
	w := start(t)
	where, caller, question := w.addresses(t), w.asAPIServer(t), review(t, "ConfigMap", work)
	crashed := ""
	for pod := range where {
		if pod != w.leader(t.Context()) {
			crashed = pod
		}
	}
	answers := func(ctx context.Context, pod string) error {
		got, err := caller.ask(ctx, where[pod], question)
		if err != nil || !strings.Contains(got.message(), "team: ") {
			return fmt.Errorf("%s does not decide: %+v, %w", pod, got, err)
		}
		return nil
	}
	w.signalAPIServer(t, syscall.SIGSTOP)
	t.Cleanup(func() { w.signalAPIServer(t, syscall.SIGCONT) })
	load := begin(t, 2, 5*time.Millisecond, func(ctx context.Context, _ int) error {
		for pod := range where {
			if pod == crashed {
				continue
			}
			if err := answers(ctx, pod); err != nil {
				return err
			}
		}
		return nil
	})
	w.signal(t, crashed, syscall.SIGKILL)
	long := time.Duration(rounds(8, 120)) * time.Second
	time.Sleep(long)
	if err := answers(t.Context(), crashed); err == nil {
		t.Error("control: a server that was restarted without an API server decides: the drill proves nothing")
	} else {
		t.Logf("FIGURE F12 control: restarted meanwhile: %v", err)
	}
	got := load.end()
	w.signalAPIServer(t, syscall.SIGCONT)
	began := time.Now()
	until(t, "the one that was restarted decides", func() bool { return answers(t.Context(), crashed) == nil })
	took := time.Since(began)
	w.settled(t)
	if got.failed > 0 {
		t.Errorf("without an API server: %v", got)
	}
	figure(t, "F12: the API server stood still for %v: %v; the server restarted meanwhile decides %v after it goes on, all agree after %v", long, got,
		took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// signalAPIServer sends a signal to the API server's process.
func (w *world) signalAPIServer(t *testing.T, signal syscall.Signal) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.options.Dir, "run", "kube-apiserver.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(pid, signal)
	}
	if err != nil {
		t.Fatal(err)
	}
}
