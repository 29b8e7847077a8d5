package cmd

import (
	"context"
	"log/slog"
	"strings"
	"testing"

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
