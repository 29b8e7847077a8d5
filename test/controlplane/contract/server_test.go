// Package contract has admission plugins that exist only inside kube-apiserver call the binary bin/portcullis, as they would in
// production. The packages by which an API server calls webhooks are held to the server in the folder test/contract of the repository;
// what is here needs k8s.io/kubernetes, which the product's own module must not.
package contract

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// binary is the built server under test.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PORTCULLIS_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "..", "bin", "portcullis")
	}
	path, err := filepath.Abs(path)
	must(t, err)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing; run `make build`", path)
	}
	return path
}

// server is a process of "portcullis serve" that is ready.
type server struct {
	listen, health   string
	policies, caFile string // a directory, a file
	stop             func() // ends it and waits; the end of the test does so too
}

// serve starts the server with a directory of policies, text by file name.
func serve(t *testing.T, files map[string]string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{
		listen: address(t), health: address(t),
		policies: filepath.Join(dir, "policies"), caFile: filepath.Join(dir, "ca.crt"),
	}
	must(t, os.Mkdir(s.policies, 0o700))
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(s.policies, name), []byte(text), 0o600))
	}
	var output bytes.Buffer // not to be read before the process has ended
	cmd := exec.Command(binary(t), "serve", "--policies", s.policies, "--listen", s.listen, "--health-listen", s.health,
		"--ca-file", s.caFile, "--drain", "0s")
	cmd.Stdout, cmd.Stderr = &output, &output
	must(t, cmd.Start())
	ended, end := context.WithCancelCause(context.Background()) // not the test's context, which ends before its cleanups run
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errExitCode0
		}
		end(err)
	}()
	s.stop = sync.OnceFunc(func() {
		t.Helper()
		signalled := cmd.Process.Signal(syscall.SIGTERM)
		defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
		<-ended.Done()
		if err := context.Cause(ended); signalled != nil || !errors.Is(err, errExitCode0) {
			t.Errorf("after SIGTERM (%v): %v\n%s", signalled, err, output.String())
		}
		for _, address := range []string{s.listen, s.health} {
			if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("something is left at %s: %v", address, err)
			}
		}
	})
	t.Cleanup(s.stop)
	if err := wait.PollUntilContextTimeout(ended, 10*time.Millisecond, time.Minute, true, s.ready); err != nil {
		s.stop()
		t.Fatalf("the server does not become ready: %v\n%s", err, output.String())
	}
	return s
}

// errExitCode0 is why the context of a process ends that ended well.
var errExitCode0 = errors.New("exit code 0")

func (s *server) ready(ctx context.Context) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.health+"/readyz", nil)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, nil //nolint:nilerr // it does not listen yet
	}
	return response.StatusCode == http.StatusOK, response.Body.Close()
}

// address is one of the loopback interface that nobody listens at.
func address(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	return listener.Addr().String()
}

// asked is how many image reviews the server has answered, whatever came of them. It counts before it answers.
func (s *server) asked(t *testing.T) int {
	t.Helper()
	response, err := http.Get("http://" + s.health + "/metrics")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	total := 0
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(series, "portcullis_requests_total{") && strings.Contains(series, `webhook="image"`) {
			count, err := strconv.Atoi(value)
			must(t, err)
			total += count
		}
	}
	return total
}

// validate is what the server says to the admission of an object that is created, given as JSON: nothing, or why not.
func (s *server) validate(t *testing.T, object []byte) string {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
		"namespace":"shop","name":"web","userInfo":{"username":"alice"},"object":%s}}`, object)
	ca, err := os.ReadFile(s.caFile)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Post("https://"+s.listen+"/validate", "application/json", strings.NewReader(body))
	must(t, err)
	defer response.Body.Close()
	var review admissionv1.AdmissionReview
	must(t, json.NewDecoder(response.Body).Decode(&review))
	if review.Response == nil {
		t.Fatalf("%s: the review has no response", response.Status)
	}
	if review.Response.Allowed {
		return ""
	}
	return review.Response.Result.Message
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
