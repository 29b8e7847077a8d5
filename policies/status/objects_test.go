package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/test/props"
)

func (w *real) kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	if _, stderr, err := w.Kubectl(t.Context(), "", strings.NewReader(stdin), args...); err != nil {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), stderr)
	}
}

func (w *real) create(t *testing.T, name, rego string) {
	t.Helper()
	if _, err := w.client.Resource(resource("policies")).Create(t.Context(), manifest(name, rego), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *real) heard(t *testing.T, want string) {
	t.Helper()
	var all string
	told := func() bool {
		w.events.mu.Lock()
		defer w.events.mu.Unlock()
		all = strings.Join(w.events.heard, "\n")
		return strings.Contains(all, want)
	}
	for end := time.Now().Add(2 * time.Minute); !told(); time.Sleep(20 * time.Millisecond) { // it is told after it was written
		if time.Now().After(end) {
			t.Fatalf("no event says %q:\n%s", want, all)
		}
	}
}

// Of two policies that set one field to different values one is put in force, and the other one says why it is not. What has been in force
// stays so.
func (w *real) testConflict(t *testing.T) {
	const set = "package %s\n\nmutate contains {\"set\": \"spec.priority\", \"value\": %d}\n"
	w.create(t, "first", fmt.Sprintf(set, "first", 1))
	w.until(t, "first", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	w.create(t, "second", fmt.Sprintf(set, "second", 2))
	p := w.until(t, "second", "refused", is(v1alpha1.PolicyCompiled, metav1.ConditionFalse))
	want := `policy/second:3: policies second and first set "spec.priority" to different values whenever they are asked; the other does so at policy/first:3`
	if p.Status.Message != want {
		t.Errorf("%s", p.Status.Message)
	}
	w.heard(t, corev1.EventTypeWarning+" Faulty second "+want)
	w.rewrite(t, "second", fmt.Sprintf(set, "second", 1))
	w.until(t, "second", "Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	w.rewrite(t, "second", fmt.Sprintf(set, "second", 3))
	w.until(t, "second", "Stalled", is(v1alpha1.PolicyStalled, metav1.ConditionTrue))
	w.until(t, "first", "still Ready", is(v1alpha1.PolicyReady, metav1.ConditionTrue))
	if w.engine.Set() == nil || len(w.ledger.page().unknown([]string{"first", "second"})) > 0 {
		t.Error("the last good version is not in force")
	}
}

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// A policy that reads a kind which the cluster does not have says so, and so does one whose kind vanishes; both stay in force.
func (w *real) testKinds(t *testing.T) {
	w.create(t, "reads", `# METADATA
# custom:
#   portcullis:
#     data: [widgets.example.com]
package reads

deny contains "there is one" if data.kubernetes["widgets.example.com"][input.request.name]
`)
	const missing = "nothing is known of widgets.example.com: the cluster has no such kind; until it is known, the policy's onError decides"
	says := func(what string, status metav1.ConditionStatus, message string) {
		t.Helper()
		p := w.until(t, "reads", what, func(p *v1alpha1.Policy) bool {
			w.writer.Wake() // it would look by itself, later
			return is(v1alpha1.PolicyInformed, status)(p)
		})
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyInformed); c.Message != message {
			t.Errorf("%s: %+v", what, c)
		}
		reason := ReasonEverywhere
		if status != metav1.ConditionTrue {
			reason = ReasonUninformed
		}
		if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.PolicyReady); c.Status != status || c.Reason != reason || c.Message != message {
			t.Errorf("%s: it is %+v", what, c)
		}
	}
	says("unknown", metav1.ConditionFalse, missing)
	w.heard(t, corev1.EventTypeWarning+" Missing reads "+missing)
	w.kubectl(t, widgets, "apply", "-f", "-")
	says("known", metav1.ConditionTrue, "")
	w.kubectl(t, "", "delete", "crd", "widgets.example.com")
	says("vanished", metav1.ConditionFalse, missing)
}

func (w *real) exception(t *testing.T, name string, ok func([]metav1.Condition) bool) v1alpha1.PolicyException {
	t.Helper()
	var e v1alpha1.PolicyException
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		u, err := w.client.Resource(resource("policyexceptions")).Namespace("default").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e = v1alpha1.PolicyException{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &e); err != nil {
			t.Fatal(err)
		}
		if e.Status.ObservedGeneration == e.Generation && ok(e.Status.Conditions) {
			return e
		}
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %+v", e.Status)
		}
	}
}

func excepting(name string, ends time.Time, names ...string) *unstructured.Unstructured {
	var list []any
	for _, n := range names {
		list = append(list, n)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "portcullis.dev/v1alpha1", "kind": "PolicyException", "metadata": map[string]any{"name": name, "namespace": "default"},
		"spec": map[string]any{
			"policies": list, "match": map[string]any{"names": []any{"a"}}, "reason": "r", "expires": ends.UTC().Format(time.RFC3339),
		},
	}}
}

func because(kind, reason string) func([]metav1.Condition) bool {
	return func(all []metav1.Condition) bool {
		c := meta.FindStatusCondition(all, kind)
		return c != nil && c.Reason == reason
	}
}

func (w *real) testExceptions(t *testing.T) {
	soon := time.Now().Add(3 * time.Second)
	for _, object := range []*unstructured.Unstructured{
		excepting("holds", time.Now().Add(time.Hour), "p"),
		excepting("unknown", time.Now().Add(time.Hour), "none"),
		excepting("long", time.Now().Add(1000*24*time.Hour), "p"),
		excepting("ends", soon, "p"),
	} {
		_, err := w.client.Resource(resource("policyexceptions")).Namespace("default").Create(t.Context(), object, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.exception(t, "holds", because(v1alpha1.ExceptionActive, ReasonInForce))
	w.exception(t, "unknown", because(v1alpha1.ExceptionActive, ReasonUnknownPolicies))
	w.exception(t, "long", because(v1alpha1.ExceptionAccepted, ReasonTooLong))
	w.exception(t, "ends", because(v1alpha1.ExceptionActive, ReasonInForce))
	ended := w.exception(t, "ends", because(v1alpha1.ExceptionActive, ReasonExpired))
	if !meta.IsStatusConditionTrue(ended.Status.Conditions, v1alpha1.ExceptionExpired) || time.Now().Before(soon.Truncate(time.Second)) {
		t.Errorf("%+v", ended.Status)
	}
	w.heard(t, corev1.EventTypeWarning+" Expired ends it ended at "+soon.UTC().Format(time.RFC3339))
	w.heard(t, corev1.EventTypeWarning+" TooLong long policyexception/default/long")
	w.heard(t, corev1.EventTypeWarning+" UnknownPolicies unknown it excepts nothing: there is no policy none")
}

func (w *real) testConfigMaps(t *testing.T) {
	annotation := func() string {
		u, err := w.client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("default").Get(t.Context(), "old", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return u.GetAnnotations()[KubeMgmtStatus]
	}
	w.kubectl(t, "", "create", "configmap", "old", "--from-literal=main=package kubernetes.admission\n\ndeny[msg] { msg := \"old\" }\n")
	w.kubectl(t, "", "create", "configmap", "other", "--from-literal=main=no policy")
	w.kubectl(t, "", "label", "configmap", "old", "openpolicyagent.org/policy=rego")
	props.Eventually(t, "it is well", func() bool { return annotation() == `{"status":"ok"}` })
	patch, err := json.Marshal(map[string]any{"data": map[string]any{"main": "package kubernetes.admission\n\ndeny[msg] { msg := missing }\n"}})
	if err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "patch", "configmap", "old", "--type=merge", "-p", string(patch))
	props.Eventually(t, "it says what is wrong", func() bool {
		return annotation() == `{"status":"error","error":{"code":"invalid_parameter","message":"error(s) occurred while compiling module(s)",`+
			`"errors":[{"message":"var missing is unsafe","location":{"file":"configmap/default/old/main","row":3}}]}}`
	})
	w.heard(t, corev1.EventTypeWarning+" Faulty old configmap/default/old/main:3: var missing is unsafe")
	w.kubectl(t, "", "patch", "configmap", "old", "--type=json", "-p", `[{"op":"remove","path":"/data/main"}]`)
	props.Eventually(t, "it is well without the key", func() bool { return annotation() == `{"status":"ok"}` })
	u, err := w.client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("default").Get(t.Context(), "other", metav1.GetOptions{})
	if err != nil || len(u.GetAnnotations()) > 0 {
		t.Errorf("what is no policy was written: %v %v", u, err)
	}
}
