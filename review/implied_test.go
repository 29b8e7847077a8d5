package review

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestImplied(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-pod","namespace":"shop"}}`
	parent := &Request{
		ID: "1", Stage: Validate, Origin: FromAudit, Verb: "delete", DryRun: true, User: User{Username: "jane"},
		Target: Target{Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Namespace: "shop", Name: "web"},
	}
	for verb, c := range map[string]struct {
		old           Raw
		wantOperation string
		wantOld       any
	}{
		"create": {nil, "CREATE", nil},
		"delete": {Raw(pod), "DELETE", decoded(t, pod)},
		"":       {nil, "", nil},
	} {
		parent.Verb = verb
		got, err := parent.Implied("pods", []byte(pod))
		if err != nil {
			t.Fatal(err)
		}
		body := got.Body
		got.Body, got.heads = nil, nil
		want := &Request{
			Stage: Validate, Origin: FromAudit, Verb: verb, DryRun: true, ImpliedBy: "pods", Object: Raw(pod), OldObject: c.old,
			Target: Target{Version: "v1", Kind: "Pod", Namespace: "shop", Name: "web-pod"},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", verb, got, want)
		}
		review, _ := decoded(t, string(body)).(map[string]any)
		wantRequest := map[string]any{
			"uid": "", "kind": map[string]any{"group": "", "version": "v1", "kind": "Pod"},
			"resource": map[string]any{"group": "", "version": "", "resource": ""}, "name": "web-pod", "namespace": "shop",
			"operation": c.wantOperation, "userInfo": map[string]any{}, "object": decoded(t, pod), "oldObject": c.wantOld, "options": nil,
		}
		if !reflect.DeepEqual(review["request"], wantRequest) {
			t.Errorf("%s: got %v, want %v", verb, review["request"], wantRequest)
		}
	}
	if job, err := parent.Implied("jobs", []byte(`{"apiVersion":"batch/v1","kind":"Job"}`)); err != nil ||
		job.Target != (Target{Group: "batch", Version: "v1", Kind: "Job"}) {
		t.Errorf("%+v, %v", job, err)
	}
	if _, err := parent.Implied("pods", []byte(`[]`)); err == nil {
		t.Error("what is no object is taken for one")
	}
}

func decoded(t *testing.T, text string) (out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
