package drills

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// auditPolicy has the API server note what the servers write.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["system:serviceaccount:` + namespace + ":" + name + `"], verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
`

// written is longer than servers take to write what they have to say of a policy: a replica says what it has counted every five seconds, and
// the leader looks every ten.
const written = 20 * time.Second

// TestDryRun (F7): whoever asks what would become of a request has nothing written: no status, no event, no report. What the servers write
// is what the audit log of the API server says. That a policy has come into force, which is written into its status, is the control, and that
// the same requests in earnest are counted there, over all replicas.
func TestDryRun(t *testing.T) {
	w := start(t)
	before := len(w.writes(t))
	w.put(t, "another", strings.NewReplacer("name: team", "name: another", "package team", "package another", "[configmaps]", "[secrets]").Replace(team))
	until(t, "control: the audit log tells", func() bool { return slices.Contains(w.writes(t)[before:], "patch policies/status another") })
	time.Sleep(written) // what else there was to write has been written
	before = len(w.writes(t))
	count := rounds(100, 1000)
	for n := range count {
		switch err := w.configMap(t.Context(), n%2 == 0); {
		case n%2 == 0 && err != nil, n%2 == 1 && !refusedBy(err, "team"):
			t.Fatalf("request %d: %v", n, err)
		}
	}
	time.Sleep(written)
	wrote := w.writes(t)[before:]
	if len(wrote) > 0 {
		t.Errorf("of %d requests as a dry run, %q was written", count, wrote)
	}
	figure(t, "F7: %d requests as a dry run, every other one refused: %d writes", count, len(wrote))

	t.Run("control: requests in earnest are counted", func(t *testing.T) {
		found := w.findings(t, "team")
		before, caller, where := len(w.writes(t)), w.asAPIServer(t), w.addresses(t)
		earnest := bytes.Replace(review(t, "ConfigMap", work), []byte(`"dryRun":true`), []byte(`"dryRun":false`), 1)
		each := rounds(10, 100)
		for range each {
			for _, address := range where {
				if got, err := caller.ask(t.Context(), address, earnest); err != nil || got.message() == "" {
					t.Fatalf("%+v, %v", got, err)
				}
			}
		}
		until(t, "the status counts them", func() bool { return w.findings(t, "team")-found == int64(each*replicas) })
		wrote := w.writes(t)[before:]
		if !slices.Contains(wrote, "patch policies/status team") || len(wrote) > 2 {
			t.Errorf("written was %q", wrote)
		}
		figure(t, "F7: %d requests in earnest: %d writes", each*replicas, len(wrote))
	})
}

// findings are those that the status of a policy counts.
func (w *world) findings(t *testing.T, policy string) int64 {
	t.Helper()
	p := w.policy(t.Context(), policy)
	if p == nil || p.Status.Findings == nil {
		t.Fatalf("the status of %s counts nothing", policy)
	}
	return *p.Status.Findings
}

// writes are what the servers have changed in the cluster, in order. Their Leases, which say that they live, are left out, and what they
// themselves have asked for as a dry run.
func (w *world) writes(t *testing.T) (out []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Logs(), "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e auditv1.Event
		if json.Unmarshal([]byte(line), &e) != nil || e.ObjectRef == nil { // the last line is being written
			continue
		}
		if e.ObjectRef.Resource == "leases" || strings.Contains(e.RequestURI, "dryRun="+metav1.DryRunAll) {
			continue
		}
		what := e.ObjectRef.Resource
		if e.ObjectRef.Subresource != "" {
			what += "/" + e.ObjectRef.Subresource
		}
		out = append(out, e.Verb+" "+what+" "+e.ObjectRef.Name)
	}
	return out
}
