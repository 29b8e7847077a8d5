package cmd

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
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
)

func lines(checks []check) string {
	out := ""
	for _, c := range checks {
		out += c.Status + " " + c.Check + ": " + c.Message + "\n"
	}
	return out
}

// inForce is a Policy that every replica serves at admission.
func inForce(t *testing.T, enforcement, onError string) runtime.Object {
	t.Helper()
	policy := v1alpha1.Policy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Policy"},
		ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha1.PolicySpec{OnError: onError},
		Status: v1alpha1.PolicyStatus{Stage: "admission", Enforcement: enforcement},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&policy)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

func TestWhatDoctorSaysOfTheRegistration(t *testing.T) {
	const (
		mutate   = "ok registration: enforce.mutate.portcullis.dev is registered with failurePolicy Fail\n"
		validate = "ok registration: enforce.validate.portcullis.dev is registered with failurePolicy Fail\n"
		observed = "ok registration: observe.validate.portcullis.dev is registered with failurePolicy Ignore\n"
	)
	fails := []registration.Interest{{Phase: registration.Mutate, Fail: true}, {Phase: registration.Validate, Fail: true}}
	observes := []registration.Interest{{Phase: registration.Validate}}
	for name, c := range map[string]struct {
		interests []registration.Interest
		policy    runtime.Object
		change    func(*registration.Configurations)
		without   []string
		want      string
	}{
		"well": {interests: fails, want: mutate + validate},
		"not seen to answer yet": {
			interests: fails, change: func(p *registration.Configurations) {
				p.Validating.Webhooks[0].FailurePolicy = new(admissionregistrationv1.Ignore)
			},
			want: mutate + "FAIL registration: enforce.validate.portcullis.dev is registered with failurePolicy Ignore although policies want Fail: " +
				"requests pass while nobody answers\n",
		},
		"one is missing":      {interests: fails, without: []string{"mutating"}, want: "FAIL registration: there is no MutatingWebhookConfiguration portcullis\n" + validate},
		"that of policies is": {interests: fails, without: []string{"policies"}, want: "FAIL registration: there is no ValidatingWebhookConfiguration portcullis-policies\n" + mutate + validate},
		"unlocked": {
			interests: fails, change: func(p *registration.Configurations) {
				p.Policies.Annotations = map[string]string{
					registration.UnlockedUntil: "2999-01-01T00:00:00Z", registration.UnlockedBy: "alice", registration.UnlockedReason: "a drill",
				}
			},
			want: "FAIL registration: nothing is enforced at admission: unlocked until 2999-01-01T00:00:00Z by alice: a drill\n",
		},
		"all are missing": {
			interests: fails, without: []string{"mutating", "validating", "policies"},
			want: "FAIL registration: there is no webhook configuration named \"portcullis\"\n",
		},
		"no policy":                    {want: "warn registration: no policy is asked about at admission\n"},
		"a policy that is not wanted":  {policy: inForce(t, "off", ""), want: "warn registration: no policy is asked about at admission\n"},
		"a policy, and no webhook":     {policy: inForce(t, "warn", ""), want: "FAIL registration: no policy is asked about at admission, although Policy p is in force there\n"},
		"a policy that lets pass":      {interests: observes, policy: inForce(t, "deny", "allow"), want: observed},
		"a policy that warns":          {interests: observes, policy: inForce(t, "warn", ""), want: observed},
		"refusing, and nothing closed": {interests: observes, policy: inForce(t, "deny", ""), want: observed + "warn registration: no webhook fails closed, so what Policy p refuses passes while nobody answers\n"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := registration.Plan(c.interests, registration.Options{
				Name: "portcullis", Namespace: "guard", Owner: &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: "x"},
			})
			if c.change != nil {
				c.change(&plan)
			}
			var there []runtime.Object
			for part, object := range map[string]runtime.Object{"mutating": plan.Mutating, "validating": plan.Validating, "policies": plan.Policies} {
				if !slices.Contains(c.without, part) {
					there = append(there, object)
				}
			}
			var made []runtime.Object
			if c.policy != nil {
				made = append(made, c.policy)
			}
			kinds := map[schema.GroupVersionResource]string{v1alpha1.GroupVersion().WithResource("policies"): "PolicyList"}
			d := &doctor{
				name: "portcullis", now: time.Now(), client: fake.NewClientset(there...),
				dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, made...),
			}
			checks, err := d.registration(t.Context())
			if got := lines(checks); err != nil || got != c.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
			}
		})
	}
}

func TestWhatDoctorSaysOfAPolicy(t *testing.T) {
	now := time.Now()
	soon := v1alpha1.Policy{Status: v1alpha1.PolicyStatus{Conditions: []metav1.Condition{{
		Type: v1alpha1.PolicyReady, Status: metav1.ConditionFalse, Reason: status.ReasonRollingOut, LastTransitionTime: metav1.NewTime(now.Add(-50 * time.Second)),
	}}}}
	if got, ok := judgePolicy(soon, now); !ok || got.Status != checkWarn {
		t.Errorf("a replica that is about to serve it: %+v", got)
	}
	for name, c := range map[string]struct {
		reason string
		since  time.Duration
		want   string
	}{
		"failing":     {status.ReasonUnregistered, 0, checkFail},
		"weakened":    {status.ReasonWeakened, 0, checkFail},
		"uninformed":  {status.ReasonUninformed, 0, checkFail},
		"registering": {status.ReasonRegistering, 50 * time.Second, checkWarn},
		"for long":    {status.ReasonRegistering, 70 * time.Second, checkFail},
		"locked now":  {status.ReasonUnlocked, time.Hour, checkWarn},
		"never asked": {status.ReasonNeverAsked, time.Hour, checkWarn},
		"behind":      {status.ReasonRollingOut, time.Hour, checkFail},
		"unknown":     {status.ReasonUnknown, time.Hour, checkFail},
		"not heard":   {status.ReasonNotHeard, time.Hour, checkWarn},
	} {
		policy := v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: v1alpha1.PolicyStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.PolicyReady, Status: metav1.ConditionFalse, Reason: c.reason, Message: "why", LastTransitionTime: metav1.NewTime(now.Add(-time.Hour))},
			{Type: v1alpha1.PolicyRegistered, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-c.since))},
		}}}
		got, ok := judgePolicy(policy, now)
		if !ok || got.Status != c.want || got.Message != "Policy p is not ready: why" || got.Remedy == "" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
		stays := c.reason == status.ReasonNeverAsked || c.reason == status.ReasonNotHeard
		if stays && strings.Contains(got.Remedy, "look again") {
			t.Errorf("%s: what stays as it is is not mended by looking again: %s", name, got.Remedy)
		}
	}
}

// What could not be looked at is neither well nor wrong.
func TestDoctorThatMayNotLook(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("get", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetResource().Group != admissionregistrationv1.GroupName {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "portcullis", errors.New("you may not"))
	})
	d := &doctor{name: "portcullis", client: client}
	chosen, err := d.chosen([]string{"certificates", "registration"})
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	err = d.run(t.Context(), &out, "table", []string{"certificates", "registration"}, 0)
	var exit *exitError
	if len(chosen) != 2 || !errors.As(err, &exit) || exit.code != exitFault || strings.Count(out.String(), "could not be looked at: ") != 2 ||
		!strings.Contains(out.String(), "unknown  registration  could not be looked at: mutatingwebhookconfigurations.admissionregistration.k8s.io \"portcullis\" is forbidden: you may not\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := conclude([]check{{Status: checkUnknown}, {Status: checkFail}}); !errors.Is(err, errRefused) {
		t.Errorf("what is wrong weighs more: %v", err)
	}
	if _, err := d.chosen([]string{"registratoin"}); err == nil || err.Error() != `--topics: "registratoin" is none of `+
		"registration, certificates, admission, lock-out, authorizers, tokens, replicas, policies" {
		t.Errorf("%v", err)
	}
}
