package source

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What was read is told from what is there now by what makes it what it is, and by nothing else.
func TestVersionsHold(t *testing.T) {
	policy := policyObject(t, "a", rule("one"))
	several := configMap(t, "b", "a", "{}", map[string]any{"one": "1", "two": "2"})
	read := Versions{"policy/another": "", "configmap/b/another/one": "", "configmap/b/ab/one": ""}
	for _, u := range []*unstructured.Unstructured{policy, several} {
		if read.Hold(u) {
			t.Errorf("%s %s was not read", u.GetKind(), u.GetName())
		}
		for _, file := range filesOf(u) {
			read[file.Name] = version(file)
		}
		u.SetAnnotations(map[string]string{"what became of it": "this"})
		u.SetResourceVersion("7")
		u.Object["status"] = map[string]any{"message": "this"}
		if !read.Hold(u) {
			t.Errorf("%s %s was read", u.GetKind(), u.GetName())
		}
	}
	if read.Hold(policyObject(t, "a", rule("two"))) {
		t.Error("another version of the Policy was read")
	}
	for what, data := range map[string]map[string]any{
		"a key is gone": {"one": "1"}, "a key is new": {"one": "1", "two": "2", "three": "3"}, "a key is another": {"one": "1", "two": "3"},
	} {
		if read.Hold(configMap(t, "b", "a", "{}", data)) {
			t.Errorf("%s, and it was read", what)
		}
	}
	without := maps.Clone(read)
	delete(without, "configmap/b/a/one")
	if without.Hold(several) {
		t.Error("one key was not read")
	}
}
