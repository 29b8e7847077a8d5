package contract

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
)

// ratchet is how a policy lets violations pass that were there before it: it refuses what an update makes worse.
var ratchet = files{"team.rego": policy("team", "{resources: [pods]}", `
deny contains "a team is missing" if {
	missing(kubernetes.object)
	not missing_before
}

missing(pod) if not pod.metadata.labels.team

missing_before if missing(kubernetes.old_object)

mutate contains {"default": ["metadata", "labels", "seen"], "value": "yes"}
`)}

func dying(p *corev1.Pod) {
	p.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	p.Finalizers = []string{"example.com/cleanup"}
}

func withoutFinalizer(p *corev1.Pod) { p.Finalizers = nil }

// An update that takes the last finalizer away must pass, whatever policies say of the object, or it never goes; it is not mutated, so
// that nothing is refused that our own patch brought in. That does not make a dying object a place where anything goes.
func TestPitfall14AFinalizerCanBeTakenFromADyingObject(t *testing.T) {
	s := serve(t, ratchet, func(o *setup) { o.library = []string{"pods.privileged"} })
	api := newAPIServer(t, s, s.both())
	labelled := func(p *corev1.Pod) { p.Labels["team"] = "a" }
	updated := func(p *corev1.Pod) { p.Spec.Containers[0].Image = "registry.example.com/app:2" }
	for _, c := range []struct {
		name string
		call call
		want string
	}{
		{"taking the finalizer away", updatePod(pod(dying), pod(dying, withoutFinalizer)), ""},
		{"taking it from what a policy refuses", updatePod(pod(dying, privileged), pod(dying, privileged, withoutFinalizer)), ""},
		{"making it worse on the way", updatePod(pod(dying, labelled), pod(dying, withoutFinalizer)), "team: a team is missing"},
		{"becoming privileged on the way", updatePod(pod(dying), pod(dying, withoutFinalizer, privileged, updated)), privilegedRefusal},
		{"another image of what a policy refuses", updatePod(pod(dying, privileged), pod(dying, privileged, updated)), privilegedRefusal},
		{"a label of what a policy of Pods refuses", updatePod(pod(dying, privileged), pod(dying, privileged, labelled)), ""},
		{"pretending to be dying", updatePod(pod(labelled), pod(dying)), "team: a team is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := api.send(t, c.call)
			want := c.want
			if want != "" {
				want = denied(validateHook, want)
			}
			if out.refusal() != want {
				t.Errorf("the user reads %q", out.refusal())
			}
			if mutated := out.object.(*corev1.Pod).Labels["seen"] != ""; mutated != (c.name == "pretending to be dying") {
				t.Errorf("the labels are %v", out.object.(*corev1.Pod).Labels)
			}
		})
	}
}

// Controllers write status and metadata of objects that were there before the policy. A policy has both objects before it and lets pass
// what it would have let pass before; a server that does so for every policy by itself is not covered yet.
func TestPitfall15ControllersMayUpdateWhatViolatedBefore(t *testing.T) {
	s := serve(t, ratchet)
	api := newAPIServer(t, s, s.both())
	team := func(p *corev1.Pod) { p.Labels["team"] = "a" }
	annotated := func(p *corev1.Pod) { p.Annotations = map[string]string{"controller": "was here"} }
	status := updatePod(pod(), pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }))
	status.subresource = "status"
	refused := denied(validateHook, "team: a team is missing")
	for _, c := range []struct {
		name string
		call call
		want string
	}{
		{"a status", status, ""},
		{"an annotation on what violates already", updatePod(pod(), pod(annotated)), ""},
		{"repairing it", updatePod(pod(), pod(team)), ""},
		{"breaking what was right", updatePod(pod(team), pod(annotated)), refused},
		{"creating it broken", createPod(pod()), refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.call.user = &user.DefaultInfo{Name: "system:serviceaccount:kube-system:some-controller"}
			if out := api.send(t, c.call); out.refusal() != c.want {
				t.Errorf("the user reads %q", out.refusal())
			}
		})
	}
}
