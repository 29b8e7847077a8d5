package review

import "testing"

func TestBuilds(t *testing.T) {
	req, answer, err := DialectValidate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","resource":{"group":"","version":"v1","resource":"pods"},"object":{"a":1},"oldObject":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v %v %v", req, answer(Decision{}), req.WithObject([]byte(`{"b":22}`)).Target)
	if string(req.WithObject([]byte(`{"b":22}`)).Object) != `{"b":22}` {
		t.Fatal()
	}
}
