package cmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/portcullis-dev/portcullis/test/props"
)

// buffer may be written by a server while a test reads it.
type buffer = props.Buffer

var (
	address    = props.FreeAddressT
	eventually = props.Eventually
)

// A server with a directory of policies and nothing else: it prints whom to trust, judges by the policies as they are, keeps a record,
// and ends with exit code 0 when it is told to.
func TestServeWithNothingButADirectory(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policies", "names.rego")
	records := filepath.Join(dir, "decisions.jsonl")
	save := func(message string) {
		text := "package names\n\ndeny contains \"" + message + "\" if startswith(input.request.object.metadata.name, \"tmp-\")\n"
		if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Dir(policy), 0o700); err != nil {
		t.Fatal(err)
	}
	save("one")
	listen, health := address(t), address(t)
	var stdout, stderr buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, []string{
			"serve", "--policies=" + filepath.Dir(policy), "--listen=" + listen, "--health-listen=" + health, "--drain=0s",
			"--decision-log=" + records,
		}, nil, &stdout, &stderr)
	}()
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + health + path)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	eventually(t, "the server is ready", func() bool { status, _ := get("/readyz"); return status == http.StatusOK })

	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(stdout.String())) {
		t.Fatalf("standard output is not the authority to trust: %q", stdout.String())
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	ask := func() *admissionv1.AdmissionResponse {
		body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
			"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},
			"namespace":"shop","name":"tmp-1","object":{"metadata":{"name":"tmp-1"}}}}`
		response, err := client.Post("https://"+listen+"/validate?timeout=5s", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(response.Body).Decode(&review); err != nil || review.Response == nil {
			t.Fatalf("%d: %v", response.StatusCode, err)
		}
		return review.Response
	}
	if r := ask(); r.Allowed || r.Result.Message != "names: one" {
		t.Errorf("%+v", r)
	}
	save("two")
	eventually(t, "the saved policy is in force", func() bool { return ask().Result.Message == "names: two" })
	if _, text := get("/metrics"); !strings.Contains(text, `portcullis_policy_findings_total{effect="deny",policy="names"}`) ||
		!strings.Contains(text, `portcullis_certificate_not_after_timestamp_seconds{usage="serving"}`) {
		t.Errorf("metrics are missing:\n%s", text)
	}
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is %d", status)
	}
	if err := os.WriteFile(policy, []byte("package names\n\ndeny contains nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	faulty := "[+]policies ok: what was in force before serves on, but a server that is started now ends at once: " + policy + ":3: var nothing is unsafe\n"
	eventually(t, "it is told before the next start", func() bool {
		status, text := get("/readyz")
		return status == http.StatusOK && strings.Contains(text, faulty)
	})
	save("two")
	eventually(t, "it is mended", func() bool { _, text := get("/readyz"); return strings.Contains(text, "[+]policies ok\n") })

	cancel()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d\n%s", got, stderr.String())
	}
	text, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	var record struct {
		DecisionID string `json:"decision_id"`
		Path       string
		Result     struct {
			Verdict  string
			Findings []struct{ Policy, Message string }
		}
	}
	if err := json.Unmarshal([]byte(first), &record); err != nil || record.DecisionID != "u1" || record.Path != "validate" ||
		record.Result.Verdict != "deny" || len(record.Result.Findings) != 1 || record.Result.Findings[0].Message != "one" {
		t.Errorf("%v: %s", err, first)
	}
}

// A listener that cannot be had ends the program with one line, before it has told anybody to trust it.
func TestServeWhereSomebodyElseListens(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	for _, flag := range []string{"--listen", "--health-listen"} {
		for _, caFile := range []string{"", ca} {
			var stdout, stderr buffer
			args := []string{"serve", "--policies=library:pods.privileged", "--listen=" + address(t), "--health-listen=" + address(t), "--ca-file=" + caFile}
			got := Run(t.Context(), append(args, flag+"="+l.Addr().String()), nil, &stdout, &stderr)
			want := "portcullis: " + flag + ": the address " + l.Addr().String() + " is in use by another program; end that, or choose another address\n"
			if got != exitFault || stderr.String() != want || stdout.String() != "" || exists(ca) {
				t.Errorf("%s: exit code %d, %q, %q", flag, got, stdout.String(), stderr.String())
			}
		}
	}
}

// Two servers with one --ca-file: the second is refused, and the first's authority stays in it.
func TestServeWithAnothersCAFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files are not locked here")
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	args := []string{
		"serve", "--policies=library:pods.privileged", "--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0", "--drain=0s", "--ca-file=" + ca,
		"--log-level=error",
	}
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr, stderr2 buffer
	code := make(chan int, 1)
	go func() { code <- Run(ctx, args, nil, &stdout, &stderr) }()
	eventually(t, "the file is there", func() bool { return exists(ca) })
	before, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	want := "portcullis: --ca-file: a server that is running announces another authority in " + ca + "; give each a file of its own\n"
	ends, stop := context.WithTimeout(t.Context(), 2*time.Minute) // where it is not refused, it would serve for ever
	defer stop()
	if got := Run(ends, args, nil, &stdout, &stderr2); got != exitFault || stderr2.String() != want {
		t.Errorf("exit code %d, %q", got, stderr2.String())
	}
	if after, err := os.ReadFile(ca); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
	cancel()
	if got := <-code; got != exitOK || stdout.String() != "" || stderr.String() != "" {
		t.Errorf("exit code %d, %q, %q", got, stdout.String(), stderr.String())
	}
}
