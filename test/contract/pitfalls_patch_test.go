package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"pgregory.net/rapid"
)

// somebodyElses registers another mutating webhook, under a name that sorts it before or after ours: the names of webhooks in one
// configuration keep their order.
func somebodyElses(s *server, client admissionregistrationv1.WebhookClientConfig, change ...func(*admissionregistrationv1.MutatingWebhook)) admissionregistrationv1.MutatingWebhook {
	hook := s.mutating(change...)
	hook.Name, hook.ClientConfig = "other.example.com", client
	return hook
}

// A patch in answer to a DELETE fails the request, also under failurePolicy Ignore: the control shows it. Ours never sends one, even
// where a policy asks for it.
func TestPitfall09ADeleteIsNeverPatched(t *testing.T) {
	s := serve(t, files{"m.rego": policy("m", "{resources: [pods], operations: ['*']}", `mutate contains {"set": ["metadata", "labels", "x"], "value": "y"}`)})
	api := newAPIServer(t, s, s.onlyMutating(ignore))
	must(t, api.send(t, deletePod(pod())).err)
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("there is nothing to change, but asked were %v", asked)
	}
	bad := anotherWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		return patching(`[{"op":"add","path":"/metadata/labels/x","value":"y"}]`)
	})
	control := newAPIServer(t, s, hooks{mutating: []admissionregistrationv1.MutatingWebhook{somebodyElses(s, bad, ignore)}})
	want := `Internal error occurred: admission webhook "other.example.com" attempted to modify the object, which is not supported for this operation`
	if out := control.send(t, deletePod(pod())); out.refusal() != want {
		t.Errorf("control: the user reads %q", out.refusal())
	}
}

func ignore(h *admissionregistrationv1.MutatingWebhook) {
	h.FailurePolicy = new(admissionregistrationv1.Ignore)
}

// A patch that does not apply fails the request under failurePolicy Ignore too: the control shows it. Ours answers with the fault of the
// policy instead; and whatever policies ask for and whatever the object, the patch it sends applies.
func TestPitfall10EveryPatchApplies(t *testing.T) {
	// The object brings its own edits, so that both can be generated.
	s := serve(t, files{"m.rego": policy("m", "{resources: [widgets.example.com]}", `mutate contains edit if some edit in json.unmarshal(kubernetes.annotations.edits)`)},
		func(o *setup) { o.impatient = true })
	api := newAPIServer(t, s, s.onlyMutating(ignore))
	send := func(spec map[string]any, edits ...map[string]any) outcome {
		text, err := json.Marshal(edits)
		must(t, err)
		w := widget("v1", spec)
		w.SetAnnotations(map[string]string{"edits": string(text)})
		return api.send(t, call{operation: admission.Create, resource: widgets("v1"), namespace: "shop", name: "w", object: w})
	}
	patched, faulty, conflicting := 0, 0, 0
	checks(t, 1000, func(rt *rapid.T) {
		out := send(genObject(3).Draw(rt, "spec").(map[string]any), rapid.SliceOfN(genEdit(), 1, 4).Draw(rt, "edits")...)
		switch {
		case strings.HasPrefix(out.refusal(), denied(mutateHook, "m: the edit to ")) && strings.Contains(out.refusal(), " cannot be made: "):
			faulty++
		case out.err == nil:
			patched++
		case strings.HasPrefix(out.refusal(), denied(mutateHook, "m: the policy \"m\" contradicts itself: ")), strings.Contains(out.refusal(), " reasons:\n"):
			conflicting++
		default:
			rt.Fatalf("the API server says %q", out.refusal())
		}
	})
	if patched == 0 || faulty == 0 || conflicting == 0 {
		t.Errorf("%d patched, %d faulty, %d conflicting: some kind was never tried", patched, faulty, conflicting)
	}

	bad := anotherWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		return patching(`[{"op":"add","path":"/metadata/annotations/x","value":"y"}]`)
	})
	control := newAPIServer(t, s, hooks{mutating: []admissionregistrationv1.MutatingWebhook{somebodyElses(s, bad, ignore)}})
	if out := control.send(t, createPod(pod())); out.code() != 500 || !strings.Contains(out.refusal(), "doc is missing path") {
		t.Errorf("control: the user reads %q", out.refusal())
	}
}

// genObject is an object of a few names, so that edits often meet something.
func genObject(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		out := map[string]any{}
		for _, name := range rapid.SliceOfN(genName(), 0, 4).Draw(t, "names") {
			switch name {
			case "list", "~0list/":
				out[name] = rapid.SliceOfN(genScalar(), 0, 3).Draw(t, "list")
			case "object", "example.com/object":
				out[name] = map[string]any{}
				if depth > 0 {
					out[name] = genObject(depth-1).Draw(t, "object")
				}
			default:
				out[name] = genScalar().Draw(t, "value")
			}
		}
		return out
	})
}

func genName() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"object", "example.com/object", "list", "~0list/", "a~1b", "é\"", "", " "})
}

func genScalar() *rapid.Generator[any] {
	return rapid.SampledFrom([]any{"text", "", int64(1), int64(1) << 53, 0.5, true, nil})
}

// genEdit leads to places that genObject may have filled, some of them with what the edit cannot be made in.
func genEdit() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		path := []any{"spec"}
		for range rapid.IntRange(0, 2).Draw(t, "depth") {
			path = append(path, rapid.SampledFrom([]string{"object", "example.com/object"}).Draw(t, "object"))
		}
		path = append(path, genName().Draw(t, "name"))
		if rapid.Bool().Draw(t, "element") {
			path = append(path, rapid.IntRange(0, 2).Draw(t, "index"))
		}
		op := rapid.SampledFrom([]string{"set", "default", "remove", "append"}).Draw(t, "op")
		edit := map[string]any{op: path}
		if op != "remove" {
			edit["value"] = rapid.OneOf(rapid.SampledFrom([]any{"text", 2, true, []any{}}), genObject(1)).Draw(t, "value")
		}
		return edit
	})
}

// Another webhook that changes the object after ours has ours asked again. There is one sidecar all the same, what the other one added is
// seen, and since ours changes nothing the second time, the other is not asked again.
func TestPitfall11ReinvocationAddsNoSecondSidecar(t *testing.T) {
	s := serve(t, teamLabel)
	rounds := 0
	other := anotherWebhook(t, func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		rounds++
		if strings.Contains(string(r.Object.Raw), "late-comer") {
			return &admissionv1.AdmissionResponse{Allowed: true}
		}
		return patching(`[{"op":"add","path":"/spec/containers/0","value":{"name":"late-comer","image":"x"}}]`)
	})
	api := newAPIServer(t, s, hooks{mutating: []admissionregistrationv1.MutatingWebhook{s.mutating(), somebodyElses(s, other)}})
	out := api.send(t, createPod(pod()))
	must(t, out.err)
	var names []string
	for _, c := range out.object.(*corev1.Pod).Spec.Containers {
		names = append(names, c.Name)
	}
	if want := []string{"late-comer", "app", "sidecar"}; !slices.Equal(names, want) {
		t.Errorf("the containers are %v, want %v", names, want)
	}
	if heard := s.heard.take(); len(heard) != 2 || rounds != 1 || strings.Contains(string(heard[0].Object), "late-comer") || !strings.Contains(string(heard[1].Object), "late-comer") {
		t.Errorf("ours was asked %d times, the other one %d times", len(heard), rounds)
	}
}

// What another webhook, the defaults or the service account's admission put into our sidecar stays there when ours is asked again.
func TestPitfall11ReinvocationKeepsWhatOthersAddedToTheSidecar(t *testing.T) {
	s := serve(t, teamLabel)
	other := anotherWebhook(t, func(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		return patching(`[{"op":"add","path":"/spec/containers/1/volumeMounts","value":[{"name":"token","mountPath":"/token"}]}]`)
	})
	once := func(h *admissionregistrationv1.MutatingWebhook) {
		h.ReinvocationPolicy = new(admissionregistrationv1.NeverReinvocationPolicy)
	}
	api := newAPIServer(t, s, hooks{mutating: []admissionregistrationv1.MutatingWebhook{s.mutating(), somebodyElses(s, other, once)}})
	out := api.send(t, createPod(pod()))
	must(t, out.err)
	if got := out.object.(*corev1.Pod).Spec.Containers[1]; got.Name != "sidecar" || len(got.VolumeMounts) != 1 {
		t.Errorf("the sidecar is %+v", got)
	}
}

// A policy whose edits never come to rest would be asked for more each time another webhook changes the object. What it wants is not made, its
// onError decides about the request, and the user reads which policy it is; what the others want is made.
func TestPitfall11WhatNeverComesToRestIsItsPolicysFault(t *testing.T) {
	const (
		counts = `team.counter: its edits never come to rest: made again, they go on changing spec.size; what they want must hold once they are made`
		fight  = `: its edits and those of %q never come to rest: made again, they go on changing spec.list; what they want must hold once they are made`
	)
	counter := `mutate contains {"set": ["spec", "size"], "value": kubernetes.object.spec.size + 1}`
	short := `mutate contains {"set": ["spec", "list"], "value": [1]} if count(kubernetes.object.spec.list) > 1`
	long := `mutate contains {"append": ["spec", "list"], "value": 2} if not 2 in kubernetes.object.spec.list`
	label := policy("team.label", "{resources: [widgets.example.com]}", `mutate contains {"set": ["metadata", "labels", "x"], "value": "y"}`)
	onError := func(text, is string) string {
		return strings.Replace(text, "match:", "onError: "+is+"\n#     match:", 1)
	}
	written := func(name, rules string) string { return policy(name, "{resources: [widgets.example.com]}", rules) }
	for _, c := range []struct {
		name     string
		policies files
		refusal  string // empty: it is admitted
		warnings []string
	}{
		{"deny", files{"a.rego": onError(written("team.counter", counter), "deny")}, counts, nil},
		{"nothing said", files{"a.rego": written("team.counter", counter)}, counts, nil},
		{"warn", files{"a.rego": onError(written("team.counter", counter), "warn")}, "", []string{counts}},
		{"allow", files{"a.rego": onError(written("team.counter", counter), "allow")}, "", nil},
		{
			"two that undo each other",
			files{"a.rego": written("team.short", short), "b.rego": written("team.long", long)},
			"2 reasons:\n- team.long" + fmt.Sprintf(fight, "team.short") + "\n- team.short" + fmt.Sprintf(fight, "team.long"), nil,
		},
		{
			"two that undo each other and must not refuse",
			files{"a.rego": onError(written("team.short", short), "warn"), "b.rego": onError(written("team.long", long), "allow")},
			"",
			[]string{"team.short" + fmt.Sprintf(fight, "team.long")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.policies["label.rego"] = label
			s := serve(t, c.policies)
			api := newAPIServer(t, s, s.onlyMutating())
			w := widget("v1", map[string]any{"size": int64(1), "list": []any{int64(1)}})
			out := api.send(t, call{operation: admission.Create, resource: widgets("v1"), namespace: "shop", name: "w", object: w})
			if c.refusal != "" {
				if out.refusal() != denied(mutateHook, c.refusal) {
					t.Errorf("the user reads\n%s, want\n%s", out.refusal(), denied(mutateHook, c.refusal))
				}
				return
			}
			must(t, out.err)
			got := out.object.(*unstructured.Unstructured)
			if want := fmt.Sprint(map[string]any{"size": int64(1), "list": []any{int64(1)}}); got.GetLabels()["x"] != "y" || fmt.Sprint(got.Object["spec"]) != want {
				t.Errorf("the widget is %v", got.Object)
			}
			if !slices.Equal(out.warnings, c.warnings) {
				t.Errorf("the warnings are %q, want %q", out.warnings, c.warnings)
			}
		})
	}
}

// Whatever other webhooks do to the object after ours, what is validated is the result.
func TestPitfall12WhatLaterMutatorsMakeIsValidated(t *testing.T) {
	s := serve(t, teamLabel, func(o *setup) { o.library = []string{"pods.privileged"} })
	hostile := anotherWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		return patching(`[{"op":"add","path":"/spec/containers/0/securityContext","value":{"privileged":true}}]`)
	})
	h := s.both()
	h.mutating = append(h.mutating, somebodyElses(s, hostile))
	if out := newAPIServer(t, s, h).send(t, createPod(pod())); out.refusal() != denied(validateHook, privilegedRefusal) {
		t.Errorf("the user reads %q", out.refusal())
	}
}

// What kubectl and the API server note down in an object is often larger than the rest. It neither gets in the way of a patch nor
// into it.
func TestPitfall13LargeAnnotationsAndManagedFieldsAreLeftAlone(t *testing.T) {
	s := serve(t, teamLabel)
	api := newAPIServer(t, s, s.both())
	noted := strings.Repeat(`{"a/b~c":"é<>&"}`, 256<<10/17)
	p := pod(func(p *corev1.Pod) {
		p.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: noted}
		for i := range 200 {
			p.ManagedFields = append(p.ManagedFields, metav1.ManagedFieldsEntry{
				Manager: fmt.Sprintf("controller-%d", i), Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:a~1b":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{}}}}}`),
			})
		}
	})
	before := p.DeepCopy()
	out := api.send(t, createPod(p))
	must(t, out.err)
	after := out.object.(*corev1.Pod)
	if after.Annotations[corev1.LastAppliedConfigAnnotation] != noted {
		t.Error("the annotation was changed")
	}
	if fmt.Sprint(after.ManagedFields) != fmt.Sprint(before.ManagedFields) {
		t.Error("the managed fields were changed")
	}
	if after.Labels["example.com/team"] != "none" {
		t.Error("the label is missing")
	}
	patch := out.annotations["patch.webhook.admission.k8s.io/round_0_index_0"]
	if len(patch) == 0 || len(patch) > 1000 {
		t.Errorf("the patch has %d bytes", len(patch))
	}
}

// A mirror Pod is the API server's image of a static one: a patch would have the kubelet make it anew for ever.
func TestMirrorPodsAndCustomObjectsAreMutatedAsTheyShould(t *testing.T) {
	s := serve(t, files{"m.rego": policy("m", "{resources: [pods, widgets.example.com]}", `mutate contains {"set": ["metadata", "labels", "a~b/c"], "value": "x"}`)})
	api := newAPIServer(t, s, s.onlyMutating())
	mirror := pod(func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"} })
	byKubelet := createPod(mirror)
	byKubelet.user = &user.DefaultInfo{Name: "system:node:n1", Groups: []string{"system:nodes"}}
	must(t, api.send(t, byKubelet).err)
	if len(mirror.Labels) != 1 {
		t.Errorf("the mirror Pod has labels %v", mirror.Labels)
	}
	w := widget("v1", map[string]any{"size": int64(1) << 60, "share": 0.1})
	out := api.send(t, call{operation: admission.Create, resource: widgets("v1"), namespace: "shop", name: "w", object: w})
	must(t, out.err)
	got := out.object.(*unstructured.Unstructured)
	size, _, _ := unstructured.NestedInt64(got.Object, "spec", "size")
	if size != 1<<60 || got.GetLabels()["a~b/c"] != "x" {
		t.Errorf("the widget is %v", got.Object)
	}
}
