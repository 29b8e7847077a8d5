package inventory

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const canary = "c2VjcmV0"

func secret(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(`{"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": {"name": "a", "namespace": "shop", "labels": {"team": "x"}, "annotations": {
			"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"password\":\"`+canary+`\"}}", "owner": "y"}},
		"data": {"password": "`+canary+`", "user": "`+canary+`"}, "stringData": {"token": "`+canary+`"}}`), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever policies read of a Secret, what it holds is not there.
func TestSecretsAreKeptWithoutWhatTheyHold(t *testing.T) {
	annotation := Fields{}
	annotation.Add([]Step{{Name: "metadata"}, {Name: "annotations"}, {Name: lastApplied}}, true)
	key := Fields{}
	key.Add([]Step{{Name: "data"}, {Name: "password"}}, true)
	any := Fields{}
	any.Add([]Step{{Any: true}, {Any: true}}, true)
	for name, c := range map[string]struct {
		fields *Fields
		want   string
	}{
		"all of it": {&Fields{whole: true}, `{"apiVersion": "v1", "data": {"password": "[masked]", "user": "[masked]"}, "kind": "Secret", ` +
			`"metadata": {"annotations": {"owner": "y"}, "labels": {"team": "x"}, "name": "a", "namespace": "shop"}, ` +
			`"stringData": {"token": "[masked]"}, "type": "Opaque"}`},
		"the annotation": {&annotation, `{"metadata": {"annotations": {}}}`},
		"one key":        {&key, `{"data": {"password": "[masked]"}}`},
		"anything whatever": {&any, `{"apiVersion": "v1", "data": {"password": "[masked]", "user": "[masked]"}, "kind": "Secret", ` +
			`"metadata": {"annotations": {"owner": "y"}, "labels": {"team": "x"}, "name": "a", "namespace": "shop"}, ` +
			`"stringData": {"token": "[masked]"}, "type": "Opaque"}`},
	} {
		object := secret(t)
		value, err := NewBuilder(Secrets, c.fields).Build(object)
		if err != nil {
			t.Fatal(err)
		}
		if got := value.String(); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if !reflect.DeepEqual(object, secret(t)) {
			t.Errorf("%s: the object itself was changed", name)
		}
	}
	for _, kind := range []Kind{Secrets, "v1/Secret"} {
		if value, err := NewBuilder(kind, &Fields{whole: true}).Build(secret(t)); err != nil || strings.Contains(value.String(), canary) {
			t.Errorf("of %s there is %v, %v", kind, value, err)
		}
	}
	value, err := NewBuilder("configmaps", &Fields{whole: true}).Build(secret(t))
	if err != nil || !strings.Contains(value.String(), canary) {
		t.Errorf("the data of another kind: %v, %v", value, err)
	}
}

// What is not as the API server has it is nothing, and not passed on.
func TestASecretOfAnotherShapeIsMasked(t *testing.T) {
	for _, data := range []any{canary, []any{canary}, map[string]any{"a": map[string]any{"b": canary}}} {
		value, err := NewBuilder(Secrets, &Fields{whole: true}).Build(map[string]any{"data": data, "metadata": "odd"})
		if err != nil || strings.Contains(value.String(), canary) {
			t.Errorf("%v, %v", value, err)
		}
	}
}
