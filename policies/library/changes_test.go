package library

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	engine "github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// judgesEveryUpdate are the policies on Pods and workloads that an UPDATE is always a matter of, with the reason.
var judgesEveryUpdate = map[string]string{
	"images.always_pull":                  "changes what an UPDATE adds and nothing else",
	"images.pinned_by_digest":             "changes what an UPDATE changes and nothing else",
	"metadata.annotations_from_namespace": "is about metadata",
	"metadata.guarded_keys":               "compares with the object as it was",
	"metadata.immutable_field":            "compares with the object as it was",
	"metadata.labels_from_namespace":      "is about metadata",
	"metadata.required_annotations":       "is about metadata",
	"metadata.required_labels":            "is about metadata",
	"pods.default_security_context":       "changes what an UPDATE adds and nothing else",
	"serviceaccounts.guarded_change":      "compares with the object as it was",
	"storage.allowed_classes":             "compares with the object as it was",
	"storage.claim_limits":                "compares with the object as it was",
}

// A policy that came later than an object does not stop the controllers that look after it: they add and remove finalizers, labels and owners, and
// scale what is to go. Whatever a policy on Pods or workloads would refuse, it lets be updated so.
func TestControllersAreNotStopped(t *testing.T) {
	tried := 0
	for _, p := range policies(t) {
		t.Run(p.name, func(t *testing.T) {
			m := p.said.Match
			if m == nil || !slices.Contains(p.said.stages(), "admission") || len(m.Operations) > 0 && !slices.Contains(m.Operations, "UPDATE") ||
				!slices.ContainsFunc(m.Resources, aboutPods) {
				return
			}
			if reason := judgesEveryUpdate[p.name]; (reason == "") != (len(m.Changes) > 0) {
				t.Fatalf("its match.changes are %v, and judgesEveryUpdate has %q for it: an UPDATE is a matter of one of them", m.Changes, reason)
			}
			if len(m.Changes) == 0 {
				return
			}
			given, err := json.Marshal(p.said.parameters())
			if err != nil {
				t.Fatal(err)
			}
			specs, faults := load(t, p.name, string(given))
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			compiled, err := engine.CompilePolicy(t.Context(), specs[0])
			if err != nil {
				t.Fatal(err)
			}
			set := engine.NewSet([]*engine.Policy{compiled})
			for i, object := range documents(t, path.Join(path.Dir(File(p.name)), "deny.yaml")) {
				kind := schema.FromAPIVersionAndKind(object["apiVersion"].(string), object["kind"].(string))
				if p.seesOnly(object) || kind.Kind == "AdmissionReview" || kind.Kind == "ImageReview" || kind.Kind == "Scale" {
					continue
				}
				findings := func(before, after map[string]any) []review.Finding {
					plural, _ := meta.UnsafeGuessKindToResource(kind)
					req := update(t, kind.Group, plural.Resource, "", kind.Kind, before, after)
					decision, err := set.Review(t.Context(), req)
					if err != nil {
						t.Fatal(err)
					}
					return decision.Findings
				}
				after := clone(t, object)
				metadata := after["metadata"].(map[string]any)
				metadata["finalizers"], metadata["ownerReferences"] = []any{"example.com/x"}, []any{map[string]any{"kind": "Job", "name": "x"}}
				metadata["labels"], metadata["annotations"] = map[string]any{"example.com/x": "x"}, map[string]any{"example.com/x": "x"}
				after["status"] = map[string]any{"conditions": []any{}}
				spec, _ := after["spec"].(map[string]any)
				if slices.Contains(m.Changes, "pods") && spec["template"] != nil {
					spec["replicas"], spec["suspend"] = 0, true
				}
				if found := findings(object, after); len(found) > 0 {
					t.Errorf("document %d: the UPDATE of a controller is refused: %v", i+1, found)
				}
				if len(p.said.Data) > 0 {
					continue // of the cluster nothing is known here
				}
				if found := findings(map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"]}, object); len(found) == 0 {
					t.Errorf("document %d: the UPDATE that makes it what it is is let pass", i+1)
				}
				tried++
			}
		})
	}
	if tried < 60 {
		t.Errorf("only %d objects were tried", tried)
	}
}

// aboutPods reports whether an entry of match.resources is of Pods or of what has a Pod template.
func aboutPods(resource string) bool {
	name, _, _ := strings.Cut(resource, ".")
	return slices.Contains([]string{"pods", "workloads", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs"}, name)
}

func clone(t testing.TB, object map[string]any) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text(t, object), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
