package policies

import (
	"errors"
	"testing"
)

// What Gatekeeper's policies would refuse passes with a warning, whatever it is refused for; our own refuse as before.
func TestGatekeeperWarnings(t *testing.T) {
	const pod = aboutPods + `"operation":"CREATE","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"}}`
	const deployment = `"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"},` +
		`"namespace":"shop","operation":"CREATE","object":{"apiVersion":"apps/v1","kind":"Deployment"}`
	pods := func(s *Spec) { s.Match.Kinds = []GroupKind{{"", "Pod"}} }
	theirs := violationOf(t, "owner/a", "package template\nviolation[{\"msg\": \"no owner\"}] { true }", pods)
	faulty := violationOf(t, "owner/b", "package template\nviolation[{\"msg\": 1}] { true }", pods)
	ours := specOf(t, "ours", "package ours\ndeny contains \"no\"")
	for name, c := range map[string]struct {
		specs []Spec
		about string
		want  string
	}{
		"violations": {[]Spec{theirs}, pod, "allow [owner/a (warn): not refused, because gatekeeper-enforcement is warn: no owner]"},
		"faults": {[]Spec{faulty}, pod, "allow [owner/b (warn): not refused, because gatekeeper-enforcement is warn: " +
			"the policy could not be evaluated: it returns a violation whose msg is number, not a sentence; this is no judgement of the object: ask whoever looks after the constraint owner/b]"},
		"implied objects": {[]Spec{theirs}, deployment, "allow [expansiontemplate/pods (warn): not refused, because gatekeeper-enforcement is warn: " +
			"[Implied by pods] what the object implies could not be judged: no template; " +
			"owner/a (warn): not refused, because gatekeeper-enforcement is warn: [Implied by pods] no owner]"},
		"not ours": {
			[]Spec{theirs, ours},
			pod,
			"deny [ours (deny): no; owner/a (warn): not refused, because gatekeeper-enforcement is warn: no owner]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "web-1"}}
			expander := &expanding{makes: []Implied{{By: "pods", Err: errors.New("no template")}, {By: "pods", Object: made, Enforcement: EnforceDeny}}}
			set, err := Compile(t.Context(), c.specs, WithExpander(expander), WithGatekeeperWarnings())
			if err != nil {
				t.Fatal(err)
			}
			if got := verdict(t, set, admissionOf(t, c.about)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			denying, err := Compile(t.Context(), c.specs, WithExpander(expander))
			if err != nil {
				t.Fatal(err)
			}
			if got := verdict(t, denying, admissionOf(t, c.about)); got[:4] != "deny" {
				t.Errorf("without it: %s", got)
			}
			if set.Revision() == denying.Revision() {
				t.Error("what is in force is the same with it and without")
			}
		})
	}
}
