package status

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

func spoken(all []metav1.Condition) string {
	var out []string
	for _, c := range all {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s=%s %s %s", c.Type, c.Status, c.Reason, c.Message)))
	}
	return strings.Join(out, "\n")
}

func TestJudgeException(t *testing.T) {
	now := time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	var l Ledger
	l.Loaded(loadOf(t, nil, nil, good), nil)
	for _, row := range []struct {
		what    string
		expires time.Time
		names   []string
		fault   string
		want    string
	}{
		{"it holds", now.Add(time.Second), []string{"p"}, "", "Accepted=True Accepted\nExpired=False NotYet\nActive=True InForce"},
		{"it ends this moment", now, []string{"p"}, "", "Accepted=True Accepted\nActive=False Expired it ended at 2027-01-01T12:00:00Z\n" +
			"Expired=True Expired what it excepted is judged again; delete it, or renew it with a later spec.expires"},
		{"one of two is unknown", now.Add(time.Hour), []string{"p", "q"}, "", "Accepted=True Accepted\nExpired=False NotYet\n" +
			"Active=True UnknownPolicies there is no policy q; correct spec.policies, or put it in force"},
		{"all are unknown", now.Add(time.Hour), []string{"q", "r"}, "", "Accepted=True Accepted\nExpired=False NotYet\n" +
			"Active=False UnknownPolicies it excepts nothing: there are no policies q, r; correct spec.policies, or put it in force"},
		{"it cannot be read", now.Add(time.Hour), []string{"p"}, "policyexception/default/e: bad", "Accepted=False Faulty policyexception/default/e: bad\n" +
			"Active=False Faulty it excepts nothing, because it is faulty"},
		{"it is too long", now.Add(native.MaxTerm + time.Second), []string{"p"}, "too long", "Accepted=False TooLong too long\n" +
			"Active=False TooLong it excepts nothing, because it is faulty"},
	} {
		e := &v1alpha1.PolicyException{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
		e.Spec.Policies, e.Spec.Expires = row.names, metav1.NewTime(row.expires)
		status := l.page().judgeException(e, row.fault, now)
		if got := spoken(status.Conditions); got != row.want || status.ObservedGeneration != 3 {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
	}
}

func TestInform(t *testing.T) {
	specs, faults := reader(t).Read([]native.File{{Name: "policy/p", Format: native.RegoText, Text: []byte(`# METADATA
# custom:
#   portcullis:
#     data: [pods, services]
#     maxStaleness: 1m
package p

deny contains "no" if data.kubernetes.pods[_][input.request.name]

deny contains "nor" if data.kubernetes.services[_][input.request.name]
`)}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	policy, err := policies.CompilePolicy(t.Context(), specs[0])
	if err != nil {
		t.Fatal(err)
	}
	listed := func(ago time.Duration) inventory.List {
		return inventory.List{Namespaced: true, Fields: &inventory.Fields{}, At: time.Now().Add(-ago)}
	}
	for _, row := range []struct {
		what string
		fill func(*inventory.Store)
		want string
	}{
		{"nothing yet", func(*inventory.Store) {}, "Informed=Unknown Listing pods are still being listed; services are still being listed"},
		{"both", func(s *inventory.Store) { s.Replace("pods", listed(0)); s.Replace("services", listed(0)) }, "Informed=True Known"},
		{
			"one is old", func(s *inventory.Store) { s.Replace("pods", listed(2*time.Minute)); s.Replace("services", listed(0)) },
			"Informed=False TooOld what is known of pods is older than 1m0s; until it is known, the policy's onError decides",
		},
		{
			"one is lost", func(s *inventory.Store) {
				s.Replace("pods", listed(2*time.Minute))
				s.Lose("services", errors.New("gone"))
			},
			"Informed=False Missing what is known of pods is older than 1m0s; nothing is known of services: gone; until it is known, the policy's onError decides",
		},
	} {
		store := &inventory.Store{}
		row.fill(store)
		var list []metav1.Condition
		page{objects: store.Snapshot()}.inform(conditions{&list, 1}, policy)
		if got := spoken(list); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
		page{}.inform(conditions{&list, 1}, policy)
		if len(list) > 0 {
			t.Errorf("%s: without an inventory: %s", row.what, spoken(list))
		}
	}
}

// What is written at a ConfigMap is written once, is bounded, and is about its own keys.
func TestConfigMap(t *testing.T) {
	w := &Writer{}
	u := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "metadata": map[string]any{
		"name": "a", "namespace": "b", "resourceVersion": "7", "annotations": map[string]any{KubeMgmtStatus: `{"status":"ok"}`},
	}}}
	u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	others := policies.Faults{{File: "configmap/b/ab/main", Err: errors.New("another's")}, {File: "configmap/a/b/main", Err: errors.New("another's")}}
	if c, err := w.configMap(page{load: policies.Load{Faults: others}}, u); err != nil || c.body != nil {
		t.Errorf("nothing is new: %s %v", c.body, err)
	}
	var many policies.Faults
	for n := range 1000 {
		many = append(many, policies.Fault{File: "configmap/b/a/main", Err: fmt.Errorf("configmap/b/a/main:%d: %s", n, strings.Repeat("x", 5000))})
	}
	c, err := w.configMap(page{load: policies.Load{Faults: many}}, u)
	if err != nil || len(c.body) > (maxErrors+1)*maxNote || !strings.Contains(string(c.body), `"resourceVersion":"7"`) || c.told == nil {
		t.Errorf("%d bytes: %v", len(c.body), err)
	}
}
