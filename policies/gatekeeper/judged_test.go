package gatekeeper_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Every file of testdata/judged has policies, objects of the cluster in "cluster.yaml", and in "webhook", "audit" and "cli" what comes in
// that way: an AdmissionReview, or an object that is created. What comes of each is in "want", which UPDATE=1 writes.
func TestJudged(t *testing.T) {
	files, err := filepath.Glob("testdata/judged/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := judged(t, archive.Files)
			at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
			if os.Getenv("UPDATE") != "" {
				if at < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					at = len(archive.Files) - 1
				}
				archive.Files[at].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if at < 0 || got != string(archive.Files[at].Data) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func judged(t *testing.T, files []txtar.File) string {
	t.Helper()
	var docs, cluster []documents.Document
	for _, file := range files {
		switch {
		case file.Name == "want", path.Dir(file.Name) != ".":
		case file.Name == "cluster.yaml":
			cluster = split(t, file)
		default:
			docs = append(docs, split(t, file)...)
		}
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	if len(reading.Faults) > 0 {
		t.Fatal(reading.Faults)
	}
	known, items := clusterOf(t, cluster)
	set, err := policies.Compile(t.Context(), reading.Specs, policies.WithNamespaces(known),
		policies.WithSnapshot(new(inventory.Snapshot).WithSynced(items...)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, file := range files {
		origin, ok := map[string]review.Origin{
			"webhook": review.FromWebhook, "audit": review.FromAudit, "cli": review.FromCommandLine,
		}[path.Dir(file.Name)]
		if !ok {
			continue
		}
		for _, doc := range split(t, file) {
			req, _, err := review.DialectValidate(asked(t, doc.JSON))
			if err != nil {
				t.Fatalf("%s: %v", file.Name, err)
			}
			req.Origin = origin
			decision, err := set.Review(t.Context(), req)
			if err != nil {
				t.Fatalf("%s: %v", file.Name, err)
			}
			fmt.Fprintf(&out, "%s: %s\n", file.Name, decision.Verdict)
			for _, f := range decision.Findings {
				fmt.Fprintf(&out, "  %s %s: %s", f.Effect, f.Policy, f.Message)
				if f.Cause != "" {
					fmt.Fprintf(&out, " (%s)", f.Cause)
				}
				if f.Details != nil {
					details, _ := json.Marshal(f.Details)
					fmt.Fprintf(&out, " %s", details)
				}
				out.WriteString("\n")
			}
		}
	}
	return out.String()
}

// clusterOf makes of objects what policies know of a cluster.
func clusterOf(t *testing.T, docs []documents.Document) (policies.Namespaces, []inventory.Item) {
	t.Helper()
	namespaces := map[string]policies.Namespace{}
	var items []inventory.Item
	for _, doc := range docs {
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON(doc.JSON); err != nil {
			t.Fatal(err)
		}
		value, err := policies.ParseValue(doc.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if u.GetKind() == "Namespace" {
			namespaces[u.GetName()] = policies.Namespace{Labels: u.GetLabels(), Object: value}
		}
		items = append(items, inventory.Item{
			APIVersion: u.GetAPIVersion(), Kind: u.GetKind(),
			Object: inventory.Object{Namespace: u.GetNamespace(), Name: u.GetName(), Value: value},
		})
	}
	return func(name string) (policies.Namespace, bool) { ns, ok := namespaces[name]; return ns, ok }, items
}

// asked is the review of an object that is created, or the text itself if it is one.
func asked(t *testing.T, text []byte) []byte {
	t.Helper()
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	if u.GetKind() == "AdmissionReview" {
		return text
	}
	gvk := u.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	namespace := u.GetNamespace()
	if gvk.Kind == "Namespace" {
		namespace = u.GetName()
	}
	out, err := json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": map[string]any{
		"uid": "1", "operation": "CREATE", "name": u.GetName(), "namespace": namespace, "object": u.Object,
		"kind":     map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind},
		"resource": map[string]any{"group": gvk.Group, "version": gvk.Version, "resource": plural.Resource},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
