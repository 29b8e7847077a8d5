package cmd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// While Gatekeeper decides, its mutators are read, so that what is wrong with them is told, and none is applied.
func TestMutatorsRestWhileGatekeeperDecides(t *testing.T) {
	for _, c := range []struct {
		enforcement gatekeeperEnforcement
		want        int
	}{{gatekeeperDenies, 1}, {gatekeeperWarns, 0}} {
		m := &Mutators{log: slog.New(slog.DiscardHandler)}
		c.enforcement.ease(&policies.Loader{}, m, slog.New(slog.DiscardHandler))
		load := readingOf(t, map[string]string{"a.yaml": labelling("a", "a", "first"), "b.yaml": strings.Replace(labelling("b", "b", "x"), "location", "place", 1)})
		_, faults := m.take(load, nil)
		if got := len(m.current.Load().members()); got != c.want || len(faults) != 1 || m.ready() != nil {
			t.Errorf("%s: %d mutators are in force, with %v", c.enforcement, got, faults)
		}
	}
}

// The gate lets Gatekeeper's objects pass then, which has a webhook of its own for them; those of ours it refuses as before.
func TestTheGateWarnsWhileGatekeeperDecides(t *testing.T) {
	gate := review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		return review.Decision{Verdict: review.Deny, Findings: []review.Finding{{Policy: "owner/a", Effect: review.EffectDeny, Message: "no"}}}, nil
	})
	for _, c := range []struct {
		enforcement gatekeeperEnforcement
		group       string
		want        review.Verdict
		message     string
	}{
		{gatekeeperDenies, "constraints.gatekeeper.sh", review.Deny, "no"},
		{gatekeeperWarns, "constraints.gatekeeper.sh", review.Allow, "not refused, because gatekeeper-enforcement is warn: no"},
		{gatekeeperWarns, "portcullis.dev", review.Deny, "no"},
	} {
		req := &review.Request{Target: review.Target{Group: c.group}}
		d, err := c.enforcement.easeGate(gate).Review(t.Context(), req)
		if err != nil || d.Verdict != c.want || d.Findings[0].Message != c.message {
			t.Errorf("%s, %s: %+v, %v", c.enforcement, c.group, d, err)
		}
	}
}

// A constraint that would refuse what the cluster lives by refuses nothing then: it is judged like the others, and told of. What is ours is refused
// as before, and so is a constraint once it decides.
func TestWhatTheClusterLivesByWhileGatekeeperDecides(t *testing.T) {
	dangerous := errors.New("it would refuse what the cluster lives by")
	check := func(context.Context, *policies.Policy) error { return dangerous }
	for _, c := range []struct {
		enforcement gatekeeperEnforcement
		convention  policies.Convention
		refused     bool
	}{{gatekeeperDenies, policies.Gatekeeper, true}, {gatekeeperWarns, policies.Gatekeeper, false}, {gatekeeperWarns, policies.Native, true}} {
		var log bytes.Buffer
		policy := checkedPolicy(t, c.convention)
		err := c.enforcement.easeCheck(check, slog.New(slog.NewTextHandler(&log, nil)))(t.Context(), policy)
		if (err != nil) != c.refused || strings.Contains(log.String(), dangerous.Error()) == c.refused {
			t.Errorf("%s, convention %d: %v, logged %q", c.enforcement, c.convention, err, log.String())
		}
	}
}

// checkedPolicy is a policy of a convention that refuses everything.
func checkedPolicy(t *testing.T, convention policies.Convention) *policies.Policy {
	t.Helper()
	text, rule := "package template\nviolation contains {\"msg\": \"no\"}", policies.ViolationRule
	if convention == policies.Native {
		text, rule = "package template\ndeny contains \"no\"", "deny"
	}
	module := ast.MustParseModule(text)
	policy, err := policies.CompilePolicy(t.Context(), policies.Spec{
		ID: "a", File: "a.rego", Convention: convention, Package: module.Package.Path, Modules: []*ast.Module{module},
		Rules: []policies.Rule{{Stage: review.Validate, Name: rule}}, Enforcement: policies.EnforceDeny,
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
