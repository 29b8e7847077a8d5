package status

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

const (
	good    = "package p\n\ndeny contains \"no\" if input.request.namespace == \"prod\"\n"
	better  = "package p\n\ndeny contains \"better not\" if input.request.namespace == \"prod\"\n"
	faulty  = "package p\n\ndeny contains missing\n"
	tooLong = 4097
)

func reader(t *testing.T) *native.Reader {
	t.Helper()
	r, err := native.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func manifest(name, rego string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": name}, "spec": map[string]any{"rego": rego},
	}}
}

// loadOf makes a Load as a Loader does: what is faulty keeps the version of the load before.
func loadOf(t *testing.T, before *policies.Set, faults policies.Faults, rego string) policies.Load {
	t.Helper()
	if rego == "" {
		return policies.Load{Set: before, Faults: faults}
	}
	file := native.File{Name: "policy/p", Format: native.YAMLText, Text: fmt.Appendf(nil, `{"apiVersion":"portcullis.dev/v1alpha1","kind":"Policy","metadata":{"name":"p"},"spec":{"rego":%q}}`, rego)}
	specs, failed := reader(t).Read([]native.File{file})
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	set, err := policies.Compile(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return policies.Load{Set: set, Faults: faults}
}

func judged(l *Ledger, policy *v1alpha1.Policy, replicas Replicas) v1alpha1.PolicyStatus {
	p := l.page()
	return p.judge(policy, p.fault(manifest(policy.Name, "")), replicas)
}

func TestJudge(t *testing.T) {
	first := loadOf(t, nil, nil, good)
	second := loadOf(t, nil, nil, better)
	wrong := policies.Faults{{File: "policy/p", Policy: "p", Err: errors.New("policy/p:3: var missing is unsafe\npolicy/p:4: more")}}
	none := policies.NewSet(nil)
	live := func(revisions ...string) Replicas { return func() ([]Replica, error) { return all(revisions...), nil } }
	one, two := first.Set.Revision(), second.Set.Revision()
	for _, row := range []struct {
		what     string
		loads    []policies.Load
		replicas Replicas
		want     string
	}{
		{"all serve it", []policies.Load{first}, live(one, one, one), "Compiled=True Compiled []; Ready=True ServedByAll []; 3/3 " + one + " admission deny []"},
		{"two of three", []policies.Load{first, second}, live(two, one, two), "Compiled=True Compiled []; Ready=False RollingOut [2 of 3 replicas serve it]; 2/3 " + two + " admission deny []"},
		{"one that has just begun", []policies.Load{first}, live(one, ""), "Compiled=True Compiled []; Ready=False RollingOut [1 of 2 replicas serve it]; 1/2 " + one + " admission deny []"},
		{"nobody", []policies.Load{first}, live(), "Compiled=True Compiled []; Ready=False RollingOut [0 of 0 replicas serve it]; 0/0 " + one + " admission deny []"},
		{
			"not known",
			[]policies.Load{first},
			func() ([]Replica, error) { return nil, errors.New("the replicas are not known") },
			"Compiled=True Compiled []; Ready=False ReplicasUnknown [the replicas are not known];  " + one + " admission deny []",
		},
		{
			"faulty",
			[]policies.Load{{Set: none, Faults: wrong}},
			live(none.Revision()),
			"Compiled=False Faulty [policy/p:3: var missing is unsafe; policy/p:4: more]; " +
				"Ready=False Faulty [no version is served, because this one is faulty and there is no earlier one];     [policy/p:3: var missing is unsafe; policy/p:4: more]",
		},
		{
			"faulty, with an earlier version",
			[]policies.Load{first, {Set: first.Set, Faults: wrong}},
			live(one),
			"Compiled=False Faulty [policy/p:3: var missing is unsafe; policy/p:4: more]; " +
				"Stalled=True LastGoodServes [the last good version stays in force until this one is mended]; " +
				"Ready=False Faulty [an earlier version is served, because this one is faulty];   admission deny [policy/p:3: var missing is unsafe; policy/p:4: more]",
		},
		{
			"vanished",
			[]policies.Load{{Set: none}},
			live(none.Revision()),
			"Compiled=False Faulty [policy/p: it is not in force, and nothing is known against it; the server's log may say more]; " +
				"Ready=False Faulty [no version is served, because this one is faulty and there is no earlier one];     " +
				"[policy/p: it is not in force, and nothing is known against it; the server's log may say more]",
		},
	} {
		var l Ledger
		for _, load := range row.loads {
			l.Loaded(load, nil)
		}
		policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 7}}
		status := judged(&l, policy, row.replicas)
		var conditions []string
		for _, c := range status.Conditions {
			conditions = append(conditions, fmt.Sprintf("%s=%s %s [%s]", c.Type, c.Status, c.Reason, c.Message))
			if c.ObservedGeneration != 7 || c.LastTransitionTime.IsZero() {
				t.Errorf("%s: %+v", row.what, c)
			}
		}
		got := fmt.Sprintf("%s; %s %s %s %s [%s]", strings.Join(conditions, "; "), status.Replicas, status.Revision, status.Stage, status.Enforcement, status.Message)
		if got != row.want || status.ObservedGeneration != 7 {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
		if again := judged(&l, &v1alpha1.Policy{ObjectMeta: policy.ObjectMeta, Status: status}, row.replicas); fmt.Sprint(again) != fmt.Sprint(status) {
			t.Errorf("%s: judged again it is another", row.what)
		}
	}
}

// replica is one that serves what is of one revision, or in one version.
type replica string

func (r replica) Serves(revision, _, version string) bool {
	return string(r) == revision || string(r) == version
}

func all(replicas ...string) (out []Replica) {
	for _, r := range replicas {
		out = append(out, replica(r))
	}
	return out
}

// A replica that serves a policy in its version need not serve the same ones beside.
func TestOtherPoliciesDoNotMatter(t *testing.T) {
	one := loadOf(t, nil, nil, good)
	var l Ledger
	l.Loaded(one, nil)
	status := judged(&l, &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, func() ([]Replica, error) {
		return all(one.Set.Revision(), one.Set.Policies()[0].Spec().Digest), nil
	})
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.PolicyReady) || status.Replicas != "2/2" {
		t.Errorf("%+v", status)
	}
}

// A policy is not ready that is not asked, or has no answer.
func TestReadyIsAskedAndInformed(t *testing.T) {
	var l Ledger
	l.Loaded(loadOf(t, nil, nil, good), nil)
	yes := Asking{metav1.ConditionTrue, ReasonAsked, ""}
	spared := Asking{metav1.ConditionFalse, ReasonNeverAsked, "never about nodes"}
	unlocked := Asking{metav1.ConditionFalse, ReasonUnlocked, "unlocked"}
	notHeard, heard := Asking{metav1.ConditionFalse, ReasonNotHeard, "not yet"}, Asking{metav1.ConditionTrue, ReasonHeard, ""}
	policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p", Generation: 1}}
	for _, row := range []struct {
		what       string
		asking     Asking
		generation int64
		want       string
	}{
		{"nothing is known yet", Asking{}, 1, "Compiled=True Compiled\nRegistered=Unknown Registering it is not known yet whether the API server asks about it\n" +
			"Ready=Unknown Registering it is not known yet whether the API server asks about it"},
		{"it is asked", yes, 1, "Compiled=True Compiled\nRegistered=True Asked\nReady=True ServedByAll"},
		{"another leads who does not know yet", Asking{}, 1, "Compiled=True Compiled\nRegistered=True Asked\nReady=True ServedByAll"},
		{"of the next version nobody knows yet", Asking{}, 2, "Compiled=True Compiled\nRegistered=Unknown Registering it is not known yet whether the API server asks about it\n" +
			"Ready=Unknown Registering it is not known yet whether the API server asks about it"},
		{"it is never asked", spared, 2, "Compiled=True Compiled\nRegistered=False NeverAsked never about nodes\nReady=False NeverAsked never about nodes"},
		{"unlocked", unlocked, 2, "Compiled=True Compiled\nRegistered=False Unlocked unlocked\nReady=False Unlocked unlocked"},
		{"not heard", notHeard, 2, "Compiled=True Compiled\nRegistered=False NotHeard not yet\nReady=False NotHeard not yet"},
		{"heard", heard, 2, "Compiled=True Compiled\nRegistered=True Heard\nReady=True ServedByAll"},
		{"servers were restarted", notHeard, 2, "Compiled=True Compiled\nRegistered=True Heard\nReady=True ServedByAll"},
		{"a new version was not heard of", notHeard, 3, "Compiled=True Compiled\nRegistered=False NotHeard not yet\nReady=False NotHeard not yet"},
	} {
		policy.Generation = row.generation
		p := l.page()
		p.asking = func(*policies.Policy) Asking { return row.asking }
		policy.Status = p.judge(policy, "", func() ([]Replica, error) { return all(p.load.Set.Revision()), nil })
		if got := spoken(policy.Status.Conditions); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
	}
	for _, status := range []metav1.ConditionStatus{metav1.ConditionFalse, metav1.ConditionUnknown} {
		var list []metav1.Condition
		c := conditions{&list, 1}
		c.set(v1alpha1.PolicyInformed, status, ReasonMissing, "nothing is known of ingresses")
		c.ready()
		if ready := meta.FindStatusCondition(list, v1alpha1.PolicyReady); ready.Status != metav1.ConditionFalse || ready.Reason != ReasonUninformed ||
			ready.Message != "nothing is known of ingresses" {
			t.Errorf("what it reads is not known, and it is %+v", ready)
		}
	}
}

func TestLongFaultsFit(t *testing.T) {
	var l Ledger
	l.Loaded(policies.Load{Set: policies.NewSet(nil), Faults: policies.Faults{{File: "policy/p", Err: errors.New(strings.Repeat("x", tooLong))}}}, nil)
	status := judged(&l, &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}, nil)
	if len(status.Message) > maxMessage || !strings.HasSuffix(status.Message, "…") {
		t.Errorf("%d bytes", len(status.Message))
	}
}
