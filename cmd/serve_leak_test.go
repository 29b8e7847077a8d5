package cmd

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// A server that has ended leaves no goroutine behind, however often it is started: what it watched, served and evaluated has ended with it.
// Goroutines that evaluate policies wait ten seconds for the next review before they end.
func TestServeLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("with files", func(t *testing.T) { servesAndEnds(t) })
	t.Run("in a cluster", func(t *testing.T) {
		c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
		if _, said, err := c.Kubectl(t.Context(), "", nil, "apply", "-f", "../charts/portcullis/files/crds"); err != nil {
			t.Fatal(said)
		}
		servesAndEnds(t, "--kubeconfig="+c.Kubeconfig, "--namespace=default", "--tls=self-signed", "--cluster-policies", "--state-dir="+t.TempDir(),
			"--register", "--webhook-url=https://127.0.0.1:1", "--webhook-failure-policy=Ignore")
	})
	for deadline := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("there were %d goroutines and are %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// servesAndEnds starts a server thrice, one after the other, and has each asked at all its endpoints before and after a policy is edited.
func servesAndEnds(t *testing.T, flags ...string) {
	dir := t.TempDir()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	for range 3 {
		save(t, dir, "one")
		listen, health := address(t), address(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var stdout, stderr buffer
		code := make(chan int, 1)
		go func() {
			code <- Run(ctx, append([]string{
				"serve", "--policies=" + dir, "--listen=" + listen, "--health-listen=" + health, "--drain=0s",
				"--decision-log=" + filepath.Join(t.TempDir(), "decisions.jsonl"),
			}, flags...), nil, &stdout, &stderr)
		}()
		get := func(path string) int {
			response, err := client.Get("http://" + health + path)
			if err != nil {
				return 0
			}
			defer response.Body.Close()
			_, _ = io.Copy(io.Discard, response.Body)
			return response.StatusCode
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(stderr.String())
			}
		})
		eventually(t, "the server is ready", func() bool { return get("/readyz") == http.StatusOK })
		ask := func() (said string) {
			for path, review := range reviewsOf {
				response, err := client.Post("https://"+listen+path+"?timeout=5s", "application/json", strings.NewReader(review))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if response.StatusCode != http.StatusOK || err != nil {
					t.Fatalf("%s: %d %s %v", path, response.StatusCode, body, err)
				}
				said += string(body)
			}
			return said
		}
		if said := ask(); strings.Count(said, "one") != 3 {
			t.Fatalf("the policies are not all asked: %s", said)
		}
		save(t, dir, "two")
		eventually(t, "the saved policy is in force", func() bool { return strings.Count(ask(), "two") == 3 })
		for _, path := range []string{"/healthz", "/metrics"} {
			if status := get(path); status != http.StatusOK {
				t.Errorf("%s: %d", path, status)
			}
		}
		cancel()
		if got := <-code; got != exitOK {
			t.Fatalf("exit code %d\n%s", got, stderr.String())
		}
		transport.CloseIdleConnections()
	}
}

// save writes a policy that refuses at validate, guard and image, and one of every other stage.
func save(t *testing.T, dir, message string) {
	t.Helper()
	for name, text := range map[string]string{
		"refuse.rego": "# METADATA\n# custom:\n#   portcullis: {match: {stage: [admission, image], namespaces: [shop]}}\npackage refuse\n\ndeny contains \"" + message + "\"\n",
		"guard.rego":  "# METADATA\n# custom:\n#   portcullis: {match: {stage: guard, resources: [configmaps], namespaces: [shop]}}\npackage guard\n\ndeny contains \"" + message + "\"\n",
		"grant.rego":  "# METADATA\n# custom:\n#   portcullis: {match: {stage: grant}}\npackage grant\n\nallow if input.spec.user == \"jane\"\n",
		"token.rego":  "# METADATA\n# custom: {portcullis: {severity: low}}\npackage token\n\nuser := {\"username\": \"jane\"} if input.spec.token == \"hers\"\n",
		"mutate.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [configmaps]}}\npackage label\n\n" +
			"mutate contains {\"set\": [\"metadata\", \"labels\", \"seen\"], \"value\": \"yes\"}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	askedAdmission = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},
		"namespace":"shop","name":"a","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}}}`
	askedAccess = `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"jane",
		"resourceAttributes":{"verb":"get","resource":"configmaps","namespace":"shop"}}}`
)

// reviewsOf has a review for each endpoint.
var reviewsOf = map[string]string{
	"/authenticate":    `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"nobodys"}}`,
	"/authorize/guard": askedAccess,
	"/authorize/grant": askedAccess,
	"/mutate":          askedAdmission,
	"/validate":        askedAdmission,
	"/image":           `{"apiVersion":"imagepolicy.k8s.io/v1alpha1","kind":"ImageReview","spec":{"containers":[{"image":"a"}],"namespace":"shop"}}`,
}
