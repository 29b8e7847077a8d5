package cmd

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// saidReady is a Policy whose status says so of the condition Ready.
func saidReady(t *testing.T, name string, ready metav1.ConditionStatus, reason string) runtime.Object {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.Policy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Policy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     v1alpha1.PolicyStatus{Conditions: []metav1.Condition{{Type: v1alpha1.PolicyReady, Status: ready, Reason: reason, Message: "why"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// rego is a ConfigMap with policies, of which the annotation says so.
func rego(name, annotation string) runtime.Object {
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "guard", Labels: map[string]string{"openpolicyagent.org/policy": "rego"}}}
	if annotation != "" {
		c.Annotations = map[string]string{status.KubeMgmtStatus: annotation}
	}
	return c
}

func TestWhatDoctorSaysOfAllPolicies(t *testing.T) {
	const (
		faulty = `{"status":"error","error":{"code":"invalid_parameter","message":"error(s) occurred while compiling module(s)",` +
			`"errors":[{"message":"unexpected eof token","location":{"file":"configmap/guard/broken/a.rego","row":3}}]}}`
		open = "FAIL policies: no policy is in force at admission, because the cluster is unlocked until 2999-01-01T00:00:00Z\n"
		dead = "FAIL policies: no policy is in force, because no replica of portcullis is alive in namespace guard\n"
	)
	ready := func(name string) runtime.Object {
		return saidReady(t, name, metav1.ConditionTrue, status.ReasonEverywhere)
	}
	unlocked := func(name string) runtime.Object {
		return saidReady(t, name, metav1.ConditionFalse, status.ReasonUnlocked)
	}
	now := time.Now()
	lease := func(age time.Duration) runtime.Object {
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "portcullis-replica-0", Namespace: "guard", Labels: map[string]string{replicas.ReleaseLabel: "portcullis"}},
			Spec:       coordinationv1.LeaseSpec{RenewTime: new(metav1.NewMicroTime(now.Add(-age))), LeaseDurationSeconds: new(int32(15))},
		}
	}
	living := lease(0)
	for name, c := range map[string]struct {
		open     bool
		policies []runtime.Object
		there    []runtime.Object
		want     string
	}{
		"well":   {policies: []runtime.Object{ready("a"), ready("b")}, there: []runtime.Object{living}, want: "ok policies: all 2 Policies are in force\n"},
		"none":   {there: []runtime.Object{living}, want: "ok policies: there is no Policy\n"},
		"nobody": {policies: []runtime.Object{ready("a")}, want: dead},
		"long":   {policies: []runtime.Object{ready("a")}, there: []runtime.Object{lease(time.Hour)}, want: dead},
		"unlocked": {
			open: true, policies: []runtime.Object{unlocked("a"), unlocked("b"), saidReady(t, "c", metav1.ConditionFalse, status.ReasonUninformed)},
			there: []runtime.Object{living}, want: open + "FAIL policies: Policy c is not ready: why\n",
		},
		"unlocked, and not said yet": {open: true, policies: []runtime.Object{ready("a")}, there: []runtime.Object{living}, want: open},
		"locked, and not said yet": {
			policies: []runtime.Object{unlocked("a")}, there: []runtime.Object{living}, want: "warn policies: Policy a is not ready: why\n",
		},
		"a ConfigMap without fault": {
			policies: []runtime.Object{ready("a")}, there: []runtime.Object{living, rego("fine", `{"status":"ok"}`)},
			want: "ok policies: all 1 Policies are in force, and what the 1 ConfigMaps with policies in namespace guard hold is without fault\n",
		},
		"faulty ConfigMaps": {
			policies: []runtime.Object{ready("a")},
			there:    []runtime.Object{living, rego("broken", faulty), rego("odd", "x"), rego("new", ""), rego("short", `{"status":"error","error":{"message":"m"}}`)},
			want: "FAIL policies: ConfigMap guard/broken is faulty: configmap/guard/broken/a.rego:3: unexpected eof token\n" +
				"warn policies: ConfigMap guard/new has not been looked at\n" +
				"FAIL policies: ConfigMap guard/odd is faulty: its annotation openpolicyagent.org/kube-mgmt-status cannot be read\n" +
				"FAIL policies: ConfigMap guard/short is faulty: m\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan := registration.Plan(nil, registration.Options{Name: "portcullis", Namespace: "guard"})
			if c.open {
				plan.Policies.Annotations = map[string]string{registration.UnlockedUntil: "2999-01-01T00:00:00Z"}
			}
			kinds := map[schema.GroupVersionResource]string{v1alpha1.GroupVersion().WithResource("policies"): "PolicyList"}
			d := &doctor{
				name: "portcullis", namespace: "guard", now: now, client: fake.NewClientset(append(c.there, plan.Policies)...),
				dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, c.policies...),
			}
			checks, err := d.policies(t.Context())
			if got := lines(checks); err != nil || got != c.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
			}
		})
	}
}

// template is a ConstraintTemplate of which that is said, of each replica's what it says is wrong.
func template(name string, said map[string][]string) runtime.Object {
	var entries []any
	for _, id := range slices.Sorted(maps.Keys(said)) {
		var errs []any
		for _, text := range said[id] {
			errs = append(errs, map[string]any{"code": "ingest_error", "message": text})
		}
		entries = append(entries, map[string]any{"id": id, "errors": errs})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": map[string]any{"name": name},
		"status": map[string]any{"byPod": entries},
	}}
}

func TestWhatDoctorSaysOfTemplates(t *testing.T) {
	at := schema.GroupVersionResource{Group: "templates.gatekeeper.sh", Version: "v1", Resource: "constrainttemplates"}
	doctorOf := func(served bool) (*doctor, *dynamicfake.FakeDynamicClient) {
		client := fake.NewClientset()
		if served {
			client.Resources = []*metav1.APIResourceList{{GroupVersion: at.GroupVersion().String()}}
		}
		theirs := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{at: "ConstraintTemplateList"},
			template("well", map[string][]string{"portcullis/a": nil, "gatekeeper-0": {"of another"}, "portcullis-2/a": {"of another release"}}),
			template("lacking", map[string][]string{"portcullis/a": {"without v1/Secret nothing can be judged"}, "portcullis/b": {"without v1/Secret nothing can be judged", "and"}}))
		return &doctor{name: "portcullis", client: client, dynamic: theirs}, theirs
	}
	const lacking = "FAIL policies: ConstraintTemplate lacking: "
	for name, c := range map[string]struct {
		served, forbidden bool
		want              string
	}{
		"there are none": {want: ""},
		"some":           {served: true, want: lacking + "without v1/Secret nothing can be judged\n" + lacking + "and\n"},
		"not to be listed": {served: true, forbidden: true, want: "warn policies: what became of Gatekeeper's ConstraintTemplates is not known, " +
			"because they may not be listed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d, theirs := doctorOf(c.served)
			if c.forbidden {
				theirs.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(at.GroupResource(), "", errors.New("you may not"))
				})
			}
			checks, err := d.templates(t.Context())
			if got := lines(checks); err != nil || got != c.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
			}
			for _, check := range checks {
				if check.Remedy == "" {
					t.Errorf("%s has no remedy", check.Message)
				}
			}
		})
	}
}
