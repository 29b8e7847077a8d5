package policies

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// Who reads that a constraint could not be evaluated is told which, that the object was not judged, and whom to ask, however long the reason is.
func TestRemedyOfAConstraintWithoutAnAnswer(t *testing.T) {
	const remedy = "; this is no judgement of the object: ask whoever looks after the constraint owner/a"
	got := verdict(t, compiled(t, violationOf(t, "owner/a", "package template\nviolation[{\"msg\": 1}] { true }")), podCreate(t, pod))
	want := "deny [owner/a (deny): the policy could not be evaluated: it returns a violation whose msg is number, not a sentence" + remedy + "]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if long := withRemedy(strings.Repeat("é", review.MaxMessage), "owner/a"); len(long) > review.MaxMessage || !strings.HasSuffix(long, "…"+remedy) {
		t.Errorf("%d bytes: %s", len(long), long)
	}
}
