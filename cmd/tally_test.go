package cmd

import (
	"context"
	"log/slog"
	"maps"
	"testing"

	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/review"
)

// The status of a policy is written into the cluster, where a dry run leaves nothing.
func TestADryRunIsNotCounted(t *testing.T) {
	m, err := NewMetrics(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	reviewer := m.findings(review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		return review.Decision{Findings: []review.Finding{{Policy: "team"}, {Policy: "broken", Fault: true}}}, nil
	}))
	for _, dry := range []bool{false, true, true} {
		if _, err := reviewer.Review(t.Context(), &review.Request{DryRun: dry}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := m.counts(), map[string]status.Counts{"team": {Findings: 1}, "broken": {Faults: 1}}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
