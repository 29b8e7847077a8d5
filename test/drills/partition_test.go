package drills

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestPartition (F12): the API server stands still while the servers are called directly, as another API server of the cluster would. Those
// that run answer every call. One that is killed meanwhile decides as before, by what it had kept, and says so. One that has lost what it
// had kept has nothing to answer with, which is the control: the others do not ask the API server, either.
func TestPartition(t *testing.T) {
	w := start(t)
	where, caller, question := w.addresses(t), w.asAPIServer(t), review(t, "ConfigMap", work)
	leader := w.leading(t)
	var others []string
	for pod := range where {
		if pod != leader {
			others = append(others, pod)
		}
	}
	crashed, bare := others[0], others[1]
	health, kept, keptByCrashed := w.health(t, crashed), w.keptState(t, bare), w.keptState(t, crashed)
	answers := func(ctx context.Context, pod string) error {
		got, err := caller.ask(ctx, where[pod], question)
		if err != nil || !strings.Contains(got.message(), "team: ") {
			return fmt.Errorf("%s does not decide: %+v, %w", pod, got, err)
		}
		return nil
	}
	until(t, "both have kept what they live by", func() bool {
		_, err := os.Stat(kept)
		_, other := os.Stat(keptByCrashed)
		return err == nil && other == nil
	})
	w.signalAPIServer(t, syscall.SIGSTOP)
	t.Cleanup(func() { w.signalAPIServer(t, syscall.SIGCONT) })
	load := begin(t, 2, 5*time.Millisecond, func(ctx context.Context, _ int) error {
		for pod := range where {
			if pod == crashed || pod == bare {
				continue
			}
			if err := answers(ctx, pod); err != nil {
				return err
			}
		}
		return nil
	})
	killed := time.Now()
	w.signal(t, crashed, syscall.SIGKILL)
	w.signal(t, bare, syscall.SIGKILL)
	if err := os.Remove(kept); err != nil { // long before a server that starts looks for it again
		t.Fatal(err)
	}
	until(t, "the one that was killed decides again", func() bool { return answers(t.Context(), crashed) == nil })
	again := time.Since(killed)
	if ready := read(t, health, "/readyz"); !strings.Contains(ready, "[+]state ok: the cluster does not answer; its policies, namespaces, certificate of ") ||
		!strings.HasSuffix(ready, "readyz check passed\n") {
		t.Errorf("its readiness: %s", ready)
	}
	if metrics := read(t, health, "/metrics"); strings.Contains(metrics, "\nportcullis_state_age_seconds 0\n") {
		t.Error("its metrics do not say that what it kept stands in")
	}
	since := begin(t, 1, 5*time.Millisecond, func(ctx context.Context, _ int) error { return answers(ctx, crashed) })
	long := time.Duration(rounds(8, 120)) * time.Second
	time.Sleep(time.Until(killed.Add(long)))
	if err := answers(t.Context(), bare); err == nil {
		t.Error("control: a server that was restarted without an API server and without what it had kept decides: the drill proves nothing")
	} else {
		t.Logf("FIGURE F12 control: restarted meanwhile, and what it had kept is lost: %v", err)
	}
	w.signalAPIServer(t, syscall.SIGCONT)
	began := time.Now()
	until(t, "the one that had nothing decides", func() bool { return answers(t.Context(), bare) == nil })
	took := time.Since(began)
	until(t, "nothing stands in any more", func() bool {
		return strings.Contains(read(t, health, "/readyz"), "[+]state ok\n") && strings.Contains(read(t, health, "/metrics"), "\nportcullis_state_age_seconds 0\n")
	})
	got, restarted := load.end(), since.end()
	w.settled(t)
	if got.failed > 0 {
		t.Errorf("without an API server: %v", got)
	}
	if restarted.failed > 0 {
		t.Errorf("the one that was restarted, from its first answer on: %v", restarted)
	}
	figure(t, "F12: the API server stood still for %v: %v; a server killed meanwhile decides after %v by what it kept: %v; "+
		"one without that decides %v after the API server goes on, all agree after %v", long, got, again.Round(time.Millisecond), restarted,
		took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	w.put(t, "counted", counted(0)) // what is new is taken up by all
}

// keptState is the file in which the Pod's server keeps what it lives by.
func (w *world) keptState(t *testing.T, pod string) string {
	t.Helper()
	object, err := w.client.CoreV1().Pods(namespace).Get(t.Context(), pod, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(w.file("node"), "pods", string(object.UID), "volumes", "state", "state", "state")
}

// health is where the Pod's server tells how it is.
func (w *world) health(t *testing.T, pod string) string {
	t.Helper()
	instance, err := w.node.Instance(namespace, pod, "")
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + instance.Address(8081)
}

// read returns a page, empty if nobody answers.
func read(t *testing.T, address, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return string(body)
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
