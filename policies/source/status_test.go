package source

import (
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/test/props"
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

func TestUID(t *testing.T) {
	first := policyObject(t, "mine", rule("policy"))
	first.SetUID("first")
	client := fakeCluster(t, first)
	o := newObjects(t, client)
	if got := o.UID("mine"); got != "" {
		t.Errorf("before anything was listed: %s", got)
	}
	<-following(t, o)
	if got := o.UID("mine") + "," + o.UID("another"); got != "first," {
		t.Errorf("listed: %s", got)
	}
	// Made anew as it was, it is no other policy and is not loaded again.
	second := first.DeepCopy()
	second.SetUID("second")
	if _, err := client.Resource(resource("policies")).Update(t.Context(), second, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	props.Eventually(t, "the other one is known", func() bool { return o.UID("mine") == "second" })
}
