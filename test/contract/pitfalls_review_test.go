package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/request"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/props"
)

// The UID of a review is echoed byte for byte and its group, version and kind exactly, or the call counts as failed.
func TestPitfall01UIDAndVersionAreEchoedExactly(t *testing.T) {
	s := serve(t, nil, func(o *setup) { o.library = []string{"pods.privileged"} })
	for _, uid := range []types.UID{
		"705ab4f5-6393-11e8-b7cc-42010a800002", "U", `with "quotes" and \ and </script>`, "é 😀 \u2028", types.UID(strings.Repeat("x", 4096)), " spaces ",
	} {
		for _, path := range []string{"/validate", "/mutate"} {
			body := podReview(t, func(r *admissionv1.AdmissionReview) { r.Request.UID = uid })
			got := s.post(t, path, body)
			var v1 admissionv1.AdmissionReview
			must(t, json.Unmarshal(got.body, &v1))
			if _, err := request.VerifyAdmissionResponse(uid, path == "/mutate", &v1); err != nil {
				t.Errorf("%s in v1: %v", path, err)
			}
			if v1.Request != nil {
				t.Error("the request came back with the answer")
			}
			got = s.post(t, path, bytes.Replace(body, []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1))
			var v1beta1 admissionv1beta1.AdmissionReview
			must(t, json.Unmarshal(got.body, &v1beta1))
			if v1beta1.Response.UID != uid || v1beta1.APIVersion != "admission.k8s.io/v1beta1" || v1beta1.Kind != "AdmissionReview" {
				t.Errorf("%s in v1beta1: %s", path, got.body)
			}
		}
	}
}

// A review of 20 MiB is judged, one byte more is refused in words. The API server's JSON spells some characters with six bytes, and an
// update sends the object twice: a ConfigMap of the largest legal size, 1 MiB, makes a review of 12 MiB.
func TestPitfall02ReviewsOfUpTo20MiBAreJudged(t *testing.T) {
	bundle := files{"big.rego": policy("big", "{resources: [configmaps]}", `deny contains "too much data" if count(kubernetes.object.data.x) > 1000`)}
	s := serve(t, bundle)
	padded := func(length int) []byte {
		body := func(padding int) []byte {
			return podReview(t, func(r *admissionv1.AdmissionReview) {
				r.Request.Resource.Resource, r.Request.Kind.Kind = "configmaps", "ConfigMap"
				r.Request.Object = runtime.RawExtension{Raw: []byte(`{"data":{"x":"` + strings.Repeat("x", padding) + `"}}`)}
			})
		}
		return body(length - len(body(0)))
	}
	const limit = 20 << 20
	got := s.post(t, "/validate", padded(limit))
	if got.code != 200 || !bytes.Contains(got.body, []byte("big: too much data")) {
		t.Errorf("%d bytes: %d %s", limit, got.code, got.body)
	}
	if asked := s.asked.take(); asked["big"] != 1 {
		t.Errorf("asked were %v", asked)
	}
	got = s.post(t, "/validate", padded(limit+1))
	status := got.status(t)
	if want := "the review has 20971521 bytes, and at most 20971520 are accepted here; the server's limit can be raised in its configuration"; got.code != 413 || status.Message != want {
		t.Errorf("one byte more: %d %q", got.code, status.Message)
	}
	if asked := s.asked.take(); len(asked) != 0 {
		t.Errorf("a review that is too large was judged: %v", asked)
	}

	api := newAPIServer(t, s, s.both())
	large := &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "page"},
		Data: map[string]string{"x": strings.Repeat("<", 1<<20)},
	}
	out := api.send(t, call{operation: admission.Update, resource: core("configmaps"), namespace: "shop", name: "page", object: large, old: large.DeepCopy()})
	if out.refusal() != denied(validateHook, "big: too much data") {
		t.Errorf("the user reads %.200q", out.refusal())
	}
}

// On DELETE the object is null and the old one is all there is; a deletecollection is one review for each item, for which a loop
// stands here, as it does in the API server's storage.
func TestPitfall03DeleteHasOnlyTheOldObjectAndACollectionIsManyReviews(t *testing.T) {
	s := serve(t, files{"keep.rego": policy("keep", "{resources: [pods], operations: [DELETE]}", `
deny contains sprintf("%s is to be kept", [input.request.name]) if {
	input.request.object == null
	kubernetes.labels.keep == "true"
}
`)})
	api := newAPIServer(t, s, s.both())
	var refusals []string
	for i := range 4 {
		p := pod(func(p *corev1.Pod) {
			p.Name = fmt.Sprintf("web-%d", i)
			if i%2 == 1 {
				p.Labels["keep"] = "true"
			}
		})
		if out := api.send(t, deletePod(p)); out.err != nil {
			refusals = append(refusals, out.refusal())
		}
	}
	want := []string{denied(validateHook, "keep: web-1 is to be kept"), denied(validateHook, "keep: web-3 is to be kept")}
	if strings.Join(refusals, "|") != strings.Join(want, "|") {
		t.Errorf("the user reads %q", refusals)
	}
	if asked := s.asked.take(); asked["keep"] != 4 {
		t.Errorf("asked were %v", asked)
	}
	for _, req := range s.heard.take() {
		if req.Verb != "delete" || req.Object != nil || len(req.OldObject) == 0 {
			t.Errorf("%s: %v %v", req.Verb, req.Object, req.OldObject)
		}
	}
}

// On CONNECT the object is the options of the connection, there is no old one, and nothing may be patched.
func TestPitfall04ConnectIsJudgedByItsOptions(t *testing.T) {
	s := serve(t, files{"exec.rego": policy("exec", "{resources: [pods/exec], operations: [CONNECT]}", `
deny contains sprintf("no shell in %s", [kubernetes.object.container]) if {
	input.request.oldObject == null
	"sh" in kubernetes.object.command
}

mutate contains {"set": ["container"], "value": "other"}
`)})
	api := newAPIServer(t, s, s.both())
	for command, want := range map[string]string{"sh": denied(validateHook, "exec: no shell in app"), "date": ""} {
		options := &corev1.PodExecOptions{Command: []string{command}, Container: "app"}
		options.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodExecOptions"))
		out := api.send(t, call{operation: admission.Connect, resource: core("pods"), subresource: "exec", namespace: "shop", name: "web", object: options})
		if out.refusal() != want {
			t.Errorf("%s: the user reads %q", command, out.refusal())
		}
		if options.Container != "app" {
			t.Error("the options were patched")
		}
	}
}

// An object that asks for a generated name has none while it is mutated, and has it when it is validated.
func TestPitfall05GenerateNameLeavesTheNameEmpty(t *testing.T) {
	s := serve(t, files{"name.rego": policy("name", "{resources: [pods]}", `
mutate contains {"default": ["metadata", "labels", "named"], "value": "later"} if not input.request.name

warn contains "it has a name" if startswith(input.request.name, "web-")
`)})
	api := newAPIServer(t, s, s.both())
	out := api.send(t, createPod(pod(func(p *corev1.Pod) { p.Name, p.GenerateName = "", "web-" })))
	must(t, out.err)
	if got := out.object.(*corev1.Pod).Labels["named"]; got != "later" {
		t.Errorf("the label is %q", got)
	}
	if strings.Join(out.warnings, "|") != "name: it has a name" {
		t.Errorf("the warnings are %q", out.warnings)
	}
	for _, req := range s.heard.take() {
		if named := strings.HasPrefix(req.Target.Name, "web-") && len(req.Target.Name) > len("web-"); named != (req.Stage == review.Validate) {
			t.Errorf("%s: the name is %q", req.Stage, req.Target.Name)
		}
	}
}

// A dry run is decided as the real request is, and leaves no more behind: what the server writes is its decision log, where it is marked.
func TestPitfall08ADryRunIsDecidedTheSame(t *testing.T) {
	decisions := &props.Buffer{}
	s := serve(t, teamLabel, func(o *setup) { o.library, o.decisions = []string{"pods.privileged"}, decisions })
	api := newAPIServer(t, s, s.both())
	send := func(dryRun bool, change ...func(*corev1.Pod)) string {
		c := createPod(pod(change...))
		c.dryRun = dryRun
		out := api.send(t, c)
		text, err := json.Marshal(out.object)
		must(t, err)
		maps.DeleteFunc(out.annotations, func(key, _ string) bool { return strings.HasSuffix(key, "/decision") }) // each call has its own
		return fmt.Sprint(out.refusal(), out.code(), out.warnings, out.annotations, string(text))
	}
	for _, change := range []func(*corev1.Pod){func(*corev1.Pod) {}, privileged} {
		if real, dry := send(false, change), send(true, change); real != dry {
			t.Errorf("really: %s\nas a dry run: %s", real, dry)
		}
	}
	s.stop()
	var dry []bool
	for line := range strings.Lines(decisions.String()) {
		var record struct {
			Input struct {
				Request struct {
					DryRun bool `json:"dryRun"`
				} `json:"request"`
			} `json:"input"`
		}
		must(t, json.Unmarshal([]byte(line), &record))
		dry = append(dry, record.Input.Request.DryRun)
	}
	if want := "[false false true true false false true true]"; fmt.Sprint(dry) != want {
		t.Errorf("the records of dry runs are %v, want %s", dry, want)
	}
}
