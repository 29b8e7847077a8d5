package review

import (
	"reflect"
	"strings"
	"testing"
)

func TestHeads(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","spec":{"kind":"Other"},` +
		`"metadata":{"name":"web","generateName":"we-","namespace":"prod","labels":{"app":"web"},"annotations":{"name":"x"}}}`
	web := &Head{APIVersion: "v1", Kind: "Pod", Namespace: "prod", Name: "web", GenerateName: "we-", Labels: map[string]string{"app": "web"}}
	for _, c := range []struct {
		name, object, old   string
		wantObject, wantOld *Head
		problem             string
	}{
		{"none", "", "", nil, nil, ""},
		{"both", `{"apiVersion":"apps/v1","kind":"Deployment"}`, pod, &Head{APIVersion: "apps/v1", Kind: "Deployment"}, web, ""},
		{"of other types", `{"kind":3,"metadata":{"name":[],"labels":{"a":1}}}`, "", &Head{Labels: map[string]string{"a": ""}}, nil, ""},
		{"metadata that is none", `{"metadata":"x"}`, "", &Head{}, nil, ""},
		{"no object", `[]`, "", nil, nil, "the object cannot be read"},
		{"no old object", pod, `{"kind":}`, web, nil, "the old object cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := &Request{Object: Raw(c.object), OldObject: Raw(c.old)}
			object, old, err := req.Heads()
			if !reflect.DeepEqual(object, c.wantObject) || !reflect.DeepEqual(old, c.wantOld) {
				t.Errorf("%+v and %+v, want %+v and %+v", object, old, c.wantObject, c.wantOld)
			}
			if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("got %v, want %q", err, c.problem)
			}
		})
	}
	if group := (&Head{APIVersion: "apps/v1"}).Group() + (&Head{APIVersion: "v1"}).Group(); group != "apps" {
		t.Errorf("the groups of apps/v1 and v1 are %q", group)
	}
}

func TestHeadsAreReadOnceAndNotKeptForAnotherObject(t *testing.T) {
	body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",` +
		`"kind":{"kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"object":{"kind":"Pod"}}}`
	req, _, err := DialectValidate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := req.Heads()
	if again, _, _ := req.Heads(); again != first {
		t.Error("the head is read with each call")
	}
	if other, _, _ := req.WithObject([]byte(`{"kind":"Job"}`)).Heads(); other == nil || other.Kind != "Job" {
		t.Errorf("the head of another object is %+v", other)
	}
}
