//go:build unix

package cmd

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A decision log that is a pipe: without a reader the server does not start, and says so. With one that reads nothing it answers all the
// same, and ends when it is told to.
func TestServeWithAPipeNobodyReads(t *testing.T) {
	dir := t.TempDir()
	pipe, policy := filepath.Join(dir, "decisions"), filepath.Join(dir, "policy.rego")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policy, []byte("package names\n\ndeny contains \"no\" if false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	listen, health := address(t), address(t)
	args := []string{
		"serve", "--policies=" + policy, "--listen=" + listen, "--health-listen=" + health, "--drain=0s", "--decision-log=" + pipe,
	}
	var stdout, stderr buffer
	want := "portcullis: --decision-log: nobody reads from " + pipe + "; start its reader first, or name a file\n"
	if got := Run(t.Context(), args, nil, &stdout, &stderr); got != exitFault || stderr.String() != want {
		t.Fatalf("exit code %d, %q", got, stderr.String())
	}

	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, log buffer
	code := make(chan int, 1)
	go func() { code <- Run(ctx, args, nil, &out, &log) }()
	eventually(t, "the server is ready", func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	const members = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",` +
		`"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"object":{"data":{"x":"`
	for range 4 { // a pipe takes less than two of them
		response, err := client.Post("https://"+listen+"/validate", "application/json", strings.NewReader(members+strings.Repeat("x", 1<<20)+`"}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("it answered %d", response.StatusCode)
		}
	}
	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d", got)
	}
	if text := log.String(); !strings.Contains(text, "the decision log takes nothing any more: 4 records were not written") {
		t.Errorf("the log does not tell: %s", text)
	}
}
