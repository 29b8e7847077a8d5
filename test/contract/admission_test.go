package contract

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/admission"
)

// teamLabel gives a Pod a label and a sidecar, and says so.
var teamLabel = files{"team.rego": policy("team", "{resources: [pods]}", `
mutate contains {"default": ["metadata", "labels", "example.com/team"], "value": "none"}

mutate contains {"append": ["spec", "containers"], "value": {"name": "sidecar", "image": "registry.example.com/sidecar:1"}, "key": "name"}

warn contains "the team label was missing" if not kubernetes.labels["example.com/team"]
`)}

func TestAPatchIsAppliedAndTheResultValidated(t *testing.T) {
	s := serve(t, teamLabel, func(o *setup) { o.library = []string{"pods.privileged"} })
	api := newAPIServer(t, s, s.both())
	out := api.send(t, createPod(pod()))
	must(t, out.err)
	got := out.object.(*corev1.Pod)
	if got.Labels["example.com/team"] != "none" || got.Labels["app"] != "web" {
		t.Errorf("the labels are %v", got.Labels)
	}
	if len(got.Spec.Containers) != 2 || got.Spec.Containers[1].Name != "sidecar" {
		t.Errorf("the containers are %v", got.Spec.Containers)
	}
	if got.Spec.Containers[1].TerminationMessagePath != corev1.TerminationMessagePathDefault {
		t.Error("the API server did not set its defaults in what the patch added")
	}
	if len(out.warnings) != 0 { // it is there when the Pod is validated
		t.Errorf("the warnings are %q", out.warnings)
	}
	revision := s.engine.Set().Revision()
	for key, want := range map[string]string{
		mutateHook + "/revision":                            revision,
		validateHook + "/revision":                          revision,
		"mutation.webhook.admission.k8s.io/round_0_index_0": `{"configuration":"portcullis","webhook":"mutate.portcullis.dev","mutated":true}`,
	} {
		if out.annotations[key] != want {
			t.Errorf("the audit annotation %s is %q, want %q", key, out.annotations[key], want)
		}
	}
}

func TestARefusalReachesTheUserWordForWord(t *testing.T) {
	s := serve(t, files{
		"a.rego": policy("a", "{resources: [pods]}", `deny contains {"message": "the image has no digest", "field": "spec.containers[0].image"}`),
		"b.rego": policy("b", "{resources: [pods]}", `warn contains "mind the gap"`),
	}, func(o *setup) { o.library = []string{"pods.privileged"} })
	api := newAPIServer(t, s, s.both())
	out := api.send(t, createPod(pod(privileged)))
	want := denied(validateHook, "2 reasons:\n- a: the image has no digest (spec.containers[0].image)\n- "+privilegedRefusal)
	if out.refusal() != want {
		t.Errorf("the user reads %q\nwant %q", out.refusal(), want)
	}
	if out.code() != 403 {
		t.Errorf("the code is %d: what is not 4xx is tried again for ever", out.code())
	}
	if got := strings.Join(out.warnings, "|"); got != "b: mind the gap" {
		t.Errorf("the warnings are %q", got)
	}
	if got := out.annotations[validateHook+"/denied-by"]; got != "a,pods.privileged" {
		t.Errorf("the audit event names %q", got)
	}
}

// An edit that cannot be made is a fault like any other: the user reads whose it is and why, and the failure policy has no say.
func TestAnEditThatCannotBeMadeIsAnsweredByOnError(t *testing.T) {
	for _, c := range []struct {
		onError, refusal, warning string
		code                      int32
	}{
		{"deny", denied(mutateHook, "m: the edit to set metadata.name cannot be made: no policy may change metadata.name"), "", 500},
		{"warn", "", "m: the edit to set metadata.name cannot be made: no policy may change metadata.name", 0},
		{"allow", "", "", 0},
	} {
		t.Run(c.onError, func(t *testing.T) {
			s := serve(t, files{"m.rego": strings.Replace(policy("m", "{resources: [pods]}", `mutate contains {"set": ["metadata", "name"], "value": "x"}`),
				"package m", "#     onError: "+c.onError+"\npackage m", 1)})
			out := newAPIServer(t, s, s.onlyMutating(ignore)).send(t, createPod(pod()))
			if out.refusal() != c.refusal || out.code() != c.code || strings.Join(out.warnings, "|") != c.warning {
				t.Errorf("%d %q, warned %q", out.code(), out.refusal(), out.warnings)
			}
		})
	}
}

func TestAFaultOfAPolicyIsAnsweredByItsOnErrorAndRefusedWith500(t *testing.T) {
	s := serve(t, files{"a.rego": policy("a", "{resources: [pods]}", "deny contains f(1)\n\nf(x) := \"a\" if x > 0\n\nf(x) := \"b\" if x < 2")})
	out := newAPIServer(t, s, s.onlyValidating()).send(t, createPod(pod()))
	if want := denied(validateHook, "a: the policy could not be evaluated: eval_conflict_error at a.rego:13"); out.refusal() != want {
		t.Errorf("the user reads %q\nwant %q", out.refusal(), want)
	}
	if out.code() != 500 {
		t.Errorf("the code is %d: a controller would take it for the policy's word", out.code())
	}
}

func TestEveryOperationOnEveryKindOfObject(t *testing.T) {
	// The policy says what it saw; its sentence is the assertion.
	s := serve(t, files{"see.rego": policy("see", "{resources: ['*', pods/exec, deployments/scale], operations: ['*']}", `
deny contains sprintf("%s %s %s/%s old=%v", [kubernetes.operation, kind, object.get(input.request, "namespace", ""), object.get(input.request, "name", ""), is_object(input.request.oldObject)]) if {
	kind := sprintf("%s(%s)", [input.request.kind.kind, kubernetes.object.kind])
}
`)})
	api := newAPIServer(t, s, s.onlyValidating())
	exec := &corev1.PodExecOptions{Command: []string{"sh"}, Container: "app"}
	exec.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodExecOptions"))
	node := &corev1.Node{}
	node.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	node.Name = "n1"
	w := widget("v1", map[string]any{"size": int64(3)})
	for _, c := range []struct {
		call call
		want string
	}{
		{createPod(pod()), "see: CREATE Pod(Pod) shop/web old=false"},
		{updatePod(pod(), pod()), "see: UPDATE Pod(Pod) shop/web old=true"},
		{deletePod(pod()), "see: DELETE Pod(Pod) shop/web old=true"},
		{call{operation: admission.Connect, resource: core("pods"), subresource: "exec", namespace: "shop", name: "web", object: exec}, "see: CONNECT PodExecOptions(PodExecOptions) shop/web old=false"},
		{call{operation: admission.Create, resource: deployments("v1"), namespace: "shop", name: "web", object: deployment()}, "see: CREATE Deployment(Deployment) shop/web old=false"},
		{call{operation: admission.Create, resource: widgets("v1"), namespace: "shop", name: "w", object: w}, "see: CREATE Widget(Widget) shop/w old=false"},
		{call{operation: admission.Update, resource: widgets("v1"), namespace: "shop", name: "w", object: w, old: w.DeepCopy()}, "see: UPDATE Widget(Widget) shop/w old=true"},
		{call{operation: admission.Delete, resource: widgets("v1"), namespace: "shop", name: "w", old: w}, "see: DELETE Widget(Widget) shop/w old=true"},
		{call{operation: admission.Update, resource: core("nodes"), name: "n1", object: node, old: node.DeepCopy()}, "see: UPDATE Node(Node) /n1 old=true"},
	} {
		if out := api.send(t, c.call); out.refusal() != denied(validateHook, c.want) {
			t.Errorf("the user reads %q\nwant %q", out.refusal(), denied(validateHook, c.want))
		}
	}
}

func TestAReviewInV1beta1IsAnsweredInV1beta1(t *testing.T) {
	s := serve(t, teamLabel, func(o *setup) { o.library = []string{"pods.privileged"} })
	h := s.both()
	h.mutating[0].AdmissionReviewVersions = []string{"v1beta1"}
	h.validating[0].AdmissionReviewVersions = []string{"v1beta1"}
	api := newAPIServer(t, s, h)
	out := api.send(t, createPod(pod()))
	must(t, out.err)
	if got := out.object.(*corev1.Pod).Labels["example.com/team"]; got != "none" {
		t.Errorf("the label is %q", got)
	}
	if out := api.send(t, createPod(pod(privileged))); out.refusal() != denied(validateHook, privilegedRefusal) {
		t.Errorf("the user reads %q", out.refusal())
	}
}

func TestAKindNoPolicyKnowsIsAllowedWithoutAnyPolicyBeingAsked(t *testing.T) {
	s := serve(t, teamLabel, func(o *setup) { o.library = []string{"pods.privileged"} })
	api := newAPIServer(t, s, s.both())
	out := api.send(t, call{operation: admission.Create, resource: widgets("v1"), namespace: "shop", name: "w", object: widget("v1", map[string]any{"size": int64(1)})})
	must(t, out.err)
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("asked were %v", asked)
	}
	if len(s.heard.take()) != 2 {
		t.Error("the reviews did not come")
	}
}
