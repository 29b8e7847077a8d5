package source

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/test/props"
)

// wroteIt reports whether the leader has written something of an object.
func wroteIt(u *unstructured.Unstructured) bool {
	return slices.ContainsFunc(u.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Manager == manager })
}

// asGatekeeper makes a template's CRD as Gatekeeper does, in its words.
func (c gatekeepers) asGatekeeper(t *testing.T, template string) *unstructured.Unstructured {
	t.Helper()
	var own ownTemplate
	props.Eventually(t, "the template is read", func() bool {
		templates, known := g(c).accepted()
		at := slices.IndexFunc(templates, func(t ownTemplate) bool { return t.Name == template })
		if known && at >= 0 {
			own = templates[at]
		}
		return own.Template != nil
	})
	own.owner.APIVersion = "templates.gatekeeper.sh/v1beta1"
	crd, _, err := wantedCRD(own)
	if err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		match := map[string]any{"type": "object", "description": "in other words", "x-kubernetes-preserve-unknown-fields": true}
		if err := unstructured.SetNestedField(v.(map[string]any), match, "schema", "openAPIV3Schema", "properties", "spec", "properties", "match"); err != nil {
			t.Fatal(err)
		}
	}
	if err := unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	return crd
}

// What Gatekeeper made is used as it is.
func (c gatekeepers) testTheirs(t *testing.T) {
	c.apply(t, aTemplate("Theirs", "one", "label: {type: string}"))
	if _, err := c.client.Resource(crdResource()).Create(t.Context(), c.asGatekeeper(t, "theirs"), metav1.CreateOptions{FieldManager: "gatekeeper"}); err != nil {
		t.Fatal(err)
	}
	defer c.lead(t)()
	c.kubectl(t, "wait", "--for=condition=Established", "crd/"+crdOf("theirs"))
	c.apply(t, aConstraint("Theirs", "all", "{}"))
	expect(t, c.bundles, `theirs/all "one"`)
	c.apply(t, aTemplate("Other", "one", "")) // when its CRD is made, the leader has looked at the others
	c.kubectl(t, "wait", "--for=create", "crd/"+crdOf("other"), "--timeout=30s")
	if crd := c.crd(t, "theirs"); wroteIt(crd) || crd.GetGeneration() != 1 || len(c.crds.Errors()) > 0 {
		t.Errorf("it was written all the same: %v, %v", crd.GetManagedFields(), c.crds.Errors())
	}
	// A template that says something else is somebody's wish, and not done by Gatekeeper alone.
	c.apply(t, aTemplate("Theirs", "one", "label: {type: string}, more: {type: string}"))
	props.Eventually(t, "the CRD is changed", func() bool { return wroteIt(c.crd(t, "theirs")) })
	c.kubectl(t, "delete", "constrainttemplate", "theirs", "other")
	expect(t, c.bundles, ``)
}

// Two that want different things of a CRD must not write for ever.
func (c gatekeepers) testContested(t *testing.T) {
	c.apply(t, aTemplate("Contested", "one", "label: {type: string}"))
	theirs := c.asGatekeeper(t, "contested")
	versions, _, _ := unstructured.NestedSlice(theirs.Object, "spec", "versions")
	for _, v := range versions {
		parameters := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
		if err := unstructured.SetNestedField(v.(map[string]any), parameters, "schema", "openAPIV3Schema", "properties", "spec", "properties", "parameters"); err != nil {
			t.Fatal(err)
		}
	}
	if err := unstructured.SetNestedSlice(theirs.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	crds := c.client.Resource(crdResource())
	if _, err := crds.Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "gatekeeper"}); err != nil {
		t.Fatal(err)
	}
	events, err := crds.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + crdOf("contested")})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	var undone atomic.Int32
	go func() {
		for event := range events.ResultChan() {
			live, ok := event.Object.(*unstructured.Unstructured)
			if !ok || sameAt(live.Object, theirs.Object, "spec", "versions") || live.GetDeletionTimestamp() != nil {
				continue
			}
			live.Object["spec"].(map[string]any)["versions"] = theirs.Object["spec"].(map[string]any)["versions"]
			if _, err := crds.Update(t.Context(), live, metav1.UpdateOptions{FieldManager: "gatekeeper"}); err == nil {
				undone.Add(1)
			}
		}
	}()
	defer c.lead(t)()
	props.Eventually(t, "the leader gives in", func() bool {
		err := c.crds.Errors()["contested"]
		return err != nil && err.Error() == "the CRD contested.constraints.gatekeeper.sh was changed back by somebody else after it was written as the template says, "+
			"and it is left alone for 10m0s"
	})
	for range 20 { // more occasions to write
		c.kubectl(t, "annotate", "--overwrite", "crd", crdOf("contested"), "again="+fmt.Sprint(undone.Load()), "-o", "name")
		c.crds.Wake()
	}
	if got := undone.Load(); got != 1 {
		t.Errorf("it was written %d times", got)
	}
}
