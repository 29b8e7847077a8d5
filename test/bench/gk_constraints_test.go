package main

import (
	"io"
	"testing"
)

// TestConstraintsAllowPods holds the Pods to Gatekeeper's constraints, each of which has to judge them.
func TestConstraintsAllowPods(t *testing.T) {
	l := &lab{dir: t.TempDir(), progress: io.Discard}
	set := must(l.gatekeeperPolicies(t.Context()))(t)
	if len(set.specs) != 22 {
		t.Errorf("there are %d constraints, not 22", len(set.specs))
	}
	everyAnswer(t, newHandler(t, set), must(reviews("/validate", must(newPods(livePod, podCreation))(t), false))(t), 3*podShapes)
}
