package cmd

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"k8s.io/klog/v2"
)

// What client-go says goes where the default logger writes at that moment, even by a logger that was made before, and to nobody else.
func TestClientsLogToTheDefaultLogger(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	logger := func(out *buffer, level slog.Level) *slog.Logger {
		return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	}
	var first, second, quiet buffer
	slog.SetDefault(logger(&first, slog.LevelInfo))
	early := klog.Background().WithValues("kind", "pods").WithName("reflector")
	early.Info("one")
	slog.SetDefault(logger(&second, slog.LevelInfo))
	early.Info("two", "n", 2)
	slog.New(clientLog{}).WithGroup("watch").With("kind", "nodes").Info("three", "n", 3)
	klog.Warning("four")
	slog.SetDefault(logger(&quiet, slog.LevelError))
	early.Info("five")
	if got, want := first.String(), "level=INFO msg=one kind=pods logger=reflector\n"; got != want {
		t.Errorf("the first is told\n%s, not\n%s", got, want)
	}
	if got, want := second.String(), "level=INFO msg=two kind=pods logger=reflector n=2\nlevel=INFO msg=three watch.kind=nodes watch.n=3\n"+
		"level=INFO msg=four\n"; got != want {
		t.Errorf("the second is told\n%s, not\n%s", got, want)
	}
	if got := quiet.String(); strings.Contains(got, "five") {
		t.Errorf("what only wants errors is told %s", got)
	}
}

// A server may be started while clients of others log; the race detector sees whether that is so.
func TestTheDefaultLoggerIsExchangedWhileClientsLog(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for n := range 100 {
				klog.Background().WithValues("n", n).Info("looked")
				klog.V(2).Info("seen")
			}
		})
	}
	for range 100 {
		slog.SetDefault(slog.New(slog.DiscardHandler))
	}
	group.Wait()
}
