package main

import (
	"io"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

func constraintsFor(tb testing.TB) policySet {
	return must((&lab{dir: tb.TempDir(), progress: io.Discard}).gatekeeperPolicies(tb.Context()))(tb)
}

// TestConstraintsAllowPods holds the Pods to Gatekeeper's constraints, each of which has to judge them.
func TestConstraintsAllowPods(t *testing.T) {
	set := constraintsFor(t)
	if len(set.specs) != 22 {
		t.Errorf("there are %d constraints, not 22", len(set.specs))
	}
	everyAnswer(t, newHandler(t, set), must(reviews("/validate", must(newPods(livePod, podCreation))(t), false))(t), 3*podShapes)
}

// TestConstraintsRefuse holds each constraint to what it is there for: none allows because it has nothing to look at.
func TestConstraintsRefuse(t *testing.T) {
	set := must(policies.Compile(t.Context(), constraintsFor(t).specs))(t)
	pod := newPod(livePod, seeded(0))
	spec, metadata := pod["spec"].(object), pod["metadata"].(object)
	metadata["labels"] = object{"team": "nobody"}
	metadata["annotations"] = object{"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}
	spec["hostPID"], spec["hostNetwork"], spec["automountServiceAccountToken"] = true, true, true
	spec["securityContext"] = object{"fsGroup": 0, "sysctls": list{object{"name": "kernel.shm_rmid_forced", "value": "1"}}}
	spec["volumes"] = list{
		object{"name": "etc", "hostPath": object{"path": "/etc"}}, object{"name": "flex", "flexVolume": object{"driver": "example/other"}},
	}
	app := containersOf(spec)[0]
	app["image"] = "elsewhere.example.net/app:latest"
	delete(app, "livenessProbe")
	app["resources"] = object{"limits": object{"cpu": "3", "memory": "4Gi"}}
	app["securityContext"] = object{
		"privileged": true, "runAsUser": 0, "procMount": "Unmasked", "seLinuxOptions": object{"level": "s0"},
		"seccompProfile": object{"type": "Unconfined"}, "capabilities": object{"add": list{"SYS_ADMIN"}},
	}
	found := map[string]bool{}
	for _, f := range must(set.Review(t.Context(), requestFor(t, pod)))(t).Findings {
		if f.Fault {
			t.Errorf("%s: %s %s", f.Policy, f.Message, f.Cause)
		}
		found[f.Policy] = true
	}
	for _, policy := range set.Policies() {
		if id := policy.Spec().ID; !found[id] {
			t.Errorf("%s finds nothing wrong", id)
		}
	}
}

// requestFor is the question about the creation of a Pod.
func requestFor(tb testing.TB, pod object) *review.Request {
	body := must(podCreation(pod))(tb).fill(nil, 1)
	req, _, err := review.DialectValidate(body)
	if err != nil {
		tb.Fatal(err)
	}
	return req
}

// TestConstraintsAllocate is the guard of what a review costs: allocations are the same on every machine, as times are not. What makes it
// fail should be worth what it costs, and then the bound is raised.
func TestConstraintsAllocate(t *testing.T) { allocate(t, constraintsFor(t), 3_000) }

// TestPodsAllocate is the same for the policies of W1.
func TestPodsAllocate(t *testing.T) { allocate(t, must(podPolicies())(t), 3_000) }

// allocate wants a review by the policies to take no more allocations than most, which is some 20% above what it took when it was written.
func allocate(t *testing.T, policySet policySet, most float64) {
	t.Helper()
	set := must(policies.Compile(t.Context(), policySet.specs))(t)
	req := requestFor(t, newPod(livePod, seeded(0)))
	got := testing.AllocsPerRun(20, func() {
		if d, err := set.Review(t.Context(), req); err != nil || d.Verdict != review.Allow {
			t.Error(d, err)
		}
	})
	t.Logf("%.0f allocations", got)
	if got > most {
		t.Errorf("a review by %d policies takes %.0f allocations, more than %.0f", len(policySet.specs), got, most)
	}
}
