package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/gate"
	"github.com/portcullis-dev/portcullis/test/props"
)

// joinedPolicies let a user of a token do what RBAC does not, change what is made, and have a say in it.
const joinedPolicies = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: login}
spec:
  use: access.jwt
  parameters:
    apiAudiences: [https://kubernetes.default.svc]
    issuers:
    - {issuer: https://login.example.com, audiences: [kubernetes], prefix: "e2e:", jwks: {keys: [%s]}}
`

const joinedRego = `# METADATA
# custom:
#   portcullis:
#     match: {stage: grant, resources: [configmaps]}
package joined

allow contains "makers may make" if {
	input.spec.resourceAttributes.resource == "configmaps"
	"e2e:makers" in input.spec.groups
}
`

const joinedMutation = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [configmaps], operations: [CREATE]}
package marked

mutate contains {"set": ["metadata", "labels", "example.com/marked"], "value": "yes"}

warn contains "it is marked" if input.request.object.metadata.labels["example.com/marked"]
`

// deadWebhook is somebody else's, which nobody answers and nobody waits for.
const deadWebhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: dead}
webhooks:
- name: dead.example.com
  failurePolicy: Ignore
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 1
  clientConfig: {url: "https://127.0.0.1:1/"}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE], scope: Namespaced}]
`

// One request of a user is found in all its parts, by what the API server itself keeps of them: who presented which credential, why it was allowed,
// what was changed, and who had no answer.
func TestARequestIsJoinedOverAllCallouts(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	issuer, err := props.NewIssuer("joined")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"login.yaml": fmt.Sprintf(joinedPolicies, issuer.JWK), "joined.rego": joinedRego, "marked.rego": joinedMutation, "dead.yaml": deadWebhook,
	} {
		folder := filepath.Join(dir, "policies")
		if name == "dead.yaml" {
			folder = dir
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "decisions.jsonl")
	g, err := gate.Start(t.Context(), gate.Options{
		Dir: filepath.Join(dir, "gate"), Binary: binary(t), Policies: []string{filepath.Join(dir, "policies")}, Progress: testWriter{t},
		Arguments: []string{"--decision-log=" + log, "--credential-key=" + filepath.Join(dir, "credential.key"), "--audit-events"},
		Paths:     []string{cluster.Authenticate, cluster.Guard, cluster.Grant, cluster.Mutate, cluster.Validate, cluster.Image, cluster.Events},
		Cluster:   cluster.Options{Users: users()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of Portcullis:\n%s", g.Log())
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	token, err := issuer.Sign(map[string]any{"iss": "https://login.example.com", "aud": "kubernetes", "sub": "jane", "groups": []string{"makers"}})
	if err != nil {
		t.Fatal(err)
	}
	kubectl := func(args ...string) {
		t.Helper()
		if _, stderr, err := g.Kubectl(t.Context(), "", nil, args...); err != nil {
			t.Fatal(err, stderr)
		}
	}
	kubectl("apply", "-f", filepath.Join(dir, "dead.yaml"))
	kubectl("create", "configmap", "first", "--token="+token, "--namespace=default")
	kubectl("create", "configmap", "second", "--token="+token, "--namespace=default")

	credential := ""
	for _, name := range []string{"first", "second"} {
		event, about := joined(t, log, name)
		if event.Credential == "" || credential != "" && credential != event.Credential {
			t.Errorf("the credential is %q, and was %q", event.Credential, credential)
		}
		credential = event.Credential
		e := event.Event
		if e.User != "e2e:jane" || e.Access != "allow" || e.Code != http.StatusCreated || !strings.HasPrefix(e.Why, "joined: makers may make (decision ") {
			t.Errorf("the event is %+v", e)
		}
		if !slices.Equal(e.FailedOpen, []string{"dead.example.com"}) || len(e.Changed) != 1 || !strings.HasPrefix(e.Changed[0], "portcullis") {
			t.Errorf("failed open %q, changed %q", e.FailedOpen, e.Changed)
		}
		for _, stage := range []string{"grant", "mutate", "validate"} {
			r, ok := about[stage]
			if !ok || r.Credential != credential || r.Result == nil || r.Result.Verdict != "allow" {
				t.Errorf("%s: the record is %+v", stage, r)
			}
		}
		if patch := about["mutate"].Result; patch == nil || !bytes.Contains(patch.Patch, []byte("example.com~1marked")) && !bytes.Contains(patch.Patch, []byte("example.com/marked")) {
			t.Errorf("the patch is %+v", patch)
		}
	}
	var stages []string
	for _, r := range records(t, log) {
		if r.Credential == credential && !slices.Contains(stages, r.Path) {
			stages = append(stages, r.Path)
		}
		if r.Path == "authenticate" && r.Credential == credential && r.Result.User != "e2e:jane" {
			t.Errorf("the token is said to be of %q", r.Result.User)
		}
	}
	if slices.Sort(stages); !slices.Equal(stages, []string{"authenticate", "event", "grant", "guard", "mutate", "validate"}) {
		t.Errorf("by the credential one finds %q", stages)
	}
	if text, err := os.ReadFile(log); err != nil || bytes.Contains(text, []byte(token[len(token)-20:])) {
		t.Errorf("the token is in the decision log, %v", err)
	}
	// The metrics tell it, too, as somebody else's.
	response, err := http.Get(g.Health + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(metrics), `portcullis_failed_open_total{webhook="other"} 2`) || !strings.Contains(string(metrics), `portcullis_failed_open_total{webhook="portcullis"} 0`) {
		t.Errorf("the metrics are %s", metrics)
	}
}

// records are those of a log that is being written.
func records(t *testing.T, log string) (out []decisions.Record) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	for r, err := range decisions.Read(bytes.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// joined waits for the event that tells of a ConfigMap's creation, and returns it with the records it names, by stage.
func joined(t *testing.T, log, name string) (decisions.Record, map[string]decisions.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for ; ; time.Sleep(100 * time.Millisecond) {
		all := records(t, log)
		for _, event := range all {
			if e := event.Event; e == nil || e.Verb != "create" || e.Resource != "configmaps" || e.Name != name {
				continue
			}
			about := map[string]decisions.Record{}
			for _, r := range all {
				if slices.Contains(event.Event.Decisions, r.DecisionID) {
					about[r.Path] = r
				}
			}
			return event, about
		}
		if ctx.Err() != nil {
			t.Fatalf("no event tells of ConfigMap %s", name)
		}
	}
}
