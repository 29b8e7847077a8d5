package cmd

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clientfake "k8s.io/client-go/kubernetes/fake"

	"github.com/portcullis-dev/portcullis/policies"
)

// theirObject is one of Gatekeeper's, with this status.
func theirObject(apiVersion, kind, name string, status map[string]any) runtime.Object {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name, "generation": int64(2)}}}
	if status != nil {
		u.Object["status"] = status
	}
	return u
}

// saying is a status with an entry of a replica.
func saying(id string, generation int64, fault string) map[string]any {
	entry := map[string]any{"id": id, "observedGeneration": generation}
	if fault != "" {
		entry["errors"] = []any{map[string]any{"message": fault}}
	}
	return map[string]any{"byPod": []any{entry}}
}

// lacking is a status with an entry of a replica that does not know what the object reads.
func lacking(what string) map[string]any {
	return map[string]any{"byPod": []any{map[string]any{
		"id": "portcullis/a", "observedGeneration": int64(2), "enforced": true, "errors": []any{map[string]any{"code": "data_unavailable", "message": what}},
	}}}
}

// notReady adds a condition Ready that is false.
func notReady(status map[string]any, reason, message string) map[string]any {
	status["conditions"] = []any{map[string]any{
		"type": "Ready", "status": "False", "reason": reason, "message": message, "observedGeneration": int64(2), "lastTransitionTime": "2000-01-01T00:00:00Z",
	}}
	return status
}

func TestWhatDoctorSaysOfGatekeepersObjects(t *testing.T) {
	const templates, constraints, mutators, syncSets = "templates.gatekeeper.sh/v1", "constraints.gatekeeper.sh/v1beta1", "mutations.gatekeeper.sh/v1", "syncset.gatekeeper.sh/v1alpha1"
	well := theirObject(templates, "ConstraintTemplate", "owner", saying("portcullis/a", 2, ""))
	for name, c := range map[string]struct {
		there []runtime.Object
		want  string
		count int
	}{
		"none":      {nil, "", 0},
		"all well":  {[]runtime.Object{well, theirObject(constraints, "Owner", "all", saying("portcullis/a", 2, ""))}, "", 2},
		"not taken": {[]runtime.Object{theirObject(templates, "ConstraintTemplate", "owner", saying("gatekeeper-1", 2, "no Rego"))}, "", 0},
		"faulty": {
			[]runtime.Object{
				well, theirObject(templates, "ConstraintTemplate", "broken", saying("portcullis/a", 2, "var x is unsafe")),
				theirObject(constraints, "Owner", "all", notReady(saying("portcullis/a", 2, ""), "NotInForce", "it is in force on 0 of 1 replicas")),
				theirObject(mutators, "Assign", "label", saying("portcullis/a", 2, "no location")),
			},
			"FAIL policies: Owner all is faulty: it is in force on 0 of 1 replicas\nFAIL policies: Assign label is faulty: no location\n" +
				"FAIL policies: ConstraintTemplate broken is faulty: var x is unsafe\n", 4,
		},
		"on its way": {
			[]runtime.Object{theirObject(templates, "ConstraintTemplate", "owner", notReady(saying("portcullis/a", 2, ""), "RollingOut", "1 of 2 replicas have read it"))},
			"warn policies: ConstraintTemplate owner is not ready: 1 of 2 replicas have read it\n", 1,
		},
		"not looked at": {
			[]runtime.Object{
				well, theirObject(constraints, "Owner", "old", saying("portcullis/a", 1, "no")), theirObject(constraints, "Owner", "new", nil),
				theirObject(syncSets, "SyncSet", "pods", nil),
			},
			"warn policies: Owner new has not been looked at since it was changed\nwarn policies: Owner old has not been looked at since it was changed\n", 1,
		},
		"what they read is not known": {
			[]runtime.Object{
				theirObject(templates, "ConstraintTemplate", "owner", lacking("without v1/Secret nothing can be judged")),
				theirObject(constraints, "Owner", "all", notReady(lacking("without v1/Secret nothing can be judged"), "DataUnavailable", "without v1/Secret nothing can be judged")),
			},
			"FAIL policies: ConstraintTemplate owner: without v1/Secret nothing can be judged\n", 2,
		},
		"what they name is not known": {
			[]runtime.Object{theirObject(syncSets, "SyncSet", "all", notReady(saying("portcullis/a", 2, "nothing is known of v1/Secret"), "DataUnavailable", "nothing is known of v1/Secret"))},
			"FAIL policies: SyncSet all: nothing is known of v1/Secret\n", 1,
		},
		"Gatekeeper decides": {
			[]runtime.Object{theirObject(mutators, "Assign", "label", notReady(
				saying("portcullis/a", 2, "gatekeeper-enforcement is warn: left to it"), "NotInForce", "gatekeeper-enforcement is warn: left to it"))}, "", 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, lists := clientfake.NewClientset(), map[schema.GroupVersionResource]string{}
			discovery, ok := client.Discovery().(*fake.FakeDiscovery)
			if !ok {
				t.Fatal("no discovery")
			}
			for _, kind := range [][3]string{
				{templates, "constrainttemplates", "ConstraintTemplate"},
				{constraints, "owner", "Owner"},
				{mutators, "assign", "Assign"},
				{syncSets, "syncsets", "SyncSet"},
				{"status.gatekeeper.sh/v1beta1", "configpodstatuses", "ConfigPodStatus"},
			} {
				gv, err := schema.ParseGroupVersion(kind[0])
				if err != nil {
					t.Fatal(err)
				}
				lists[gv.WithResource(kind[1])] = kind[2] + "List"
				discovery.Resources = append(discovery.Resources, &metav1.APIResourceList{GroupVersion: kind[0], APIResources: []metav1.APIResource{
					{Name: kind[1], Kind: kind[2], Verbs: []string{"list"}}, {Name: kind[1] + "/status", Kind: kind[2], Verbs: []string{"patch"}},
				}})
			}
			dynamic := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
			for _, object := range c.there { // by its kind, which its resource is not always the plural of
				u, _ := object.(*unstructured.Unstructured)
				for at, list := range lists {
					if list == u.GetKind()+"List" {
						if _, err := dynamic.Resource(at).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			d := &doctor{name: "portcullis", namespace: "guard", now: time.Now(), client: client, dynamic: dynamic}
			checks, n, err := d.gatekeeper(t.Context())
			if got := lines(checks); err != nil || got != c.want || n != c.count {
				t.Errorf("%v, %d objects, want %d\n got %s\nwant %s", err, n, c.count, got, c.want)
			}
		})
	}
}

// What is faulty in the cluster keeps nobody from starting, and is told where it is looked for first.
func TestReadinessTellsOfFaultsInTheCluster(t *testing.T) {
	loader := &policies.Loader{Report: func(policies.Load) {}}
	note := lastingOnly(loader)
	faults := policies.Faults{{File: "constrainttemplate/a", Err: errors.New("constrainttemplate/a:3: no Rego")}, {File: "policy/b", Err: errors.New("policy/b:1: no")}}
	for _, c := range []struct {
		load policies.Load
		want string
	}{
		{policies.Load{}, ""},
		{policies.Load{Faults: faults[:1]}, "one thing is faulty in the cluster; its last good version, if any, stays in force: constrainttemplate/a:3: no Rego"},
		{policies.Load{Faults: faults}, "2 things are faulty in the cluster; the last good version of each, if any, stays in force: constrainttemplate/a:3: no Rego"},
		{policies.Load{Faults: faults, Fatal: faults[1:]}, "what was in force before serves on, but a server that is started now ends at once: policy/b:1: no"},
		{policies.Load{}, ""},
	} {
		if loader.Report(c.load); note() != c.want {
			t.Errorf("got  %s\nwant %s", note(), c.want)
		}
	}
}
