package drills

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// edits depend on what the other webhook does, as that one's do on these: each container is given an annotation, and a container is added.
const edits = `
apiVersion: portcullis.dev/v1alpha1
kind: Policy
metadata: {name: edits}
spec:
  match: {resources: [pods], operations: [CREATE, UPDATE], namespaces: [work]}
  rego: |
    package edits

    mutate contains {"append": ["spec", "containers"], "key": "name", "value": {"name": "ours", "image": "ours"}} if input.request.operation == "CREATE"

    mutate contains {"set": ["metadata", "annotations", concat(".", ["seen", c.name])], "value": c.image} if some c in input.request.object.spec.containers

    mutate contains {"default": ["metadata", "labels", "team"], "value": "unknown"}
`

// TestMutators (F6): a second mutating webhook changes what ours has changed, and the other way round, whichever is asked first. Where both
// say how the object should be, what becomes of it is the same in either order, and does not change when it is sent again. One that says
// otherwise at every call is the control.
func TestMutators(t *testing.T) {
	w := start(t)
	w.put(t, "edits", edits)
	until(t, "our edits are made", func() bool {
		pod, err := w.pod(t.Context(), "first")
		return err == nil && len(pod.Spec.Containers) == 2
	})
	steady := func(pod *corev1.Pod, _ int64) []patch {
		var out []patch
		names := map[string]bool{}
		for _, c := range pod.Spec.Containers {
			names[c.Name] = true
		}
		if !names["theirs"] {
			out = append(out, patch{"add", "/spec/containers/-", map[string]string{"name": "theirs", "image": "theirs"}})
		}
		if names["ours"] && pod.Annotations != nil && pod.Annotations["theirs"] == "" {
			out = append(out, patch{"add", "/metadata/annotations/theirs", "have seen ours"})
		}
		return out
	}
	var results []*corev1.Pod
	asked := int64(0)
	for _, order := range []string{"a-other", "z-other"} {
		calls := w.other(t, order, steady)
		first, flapping, err := w.twice(t)
		if err != nil || len(flapping) > 0 {
			t.Errorf("%s: %v, flapping: %v", order, err, flapping)
		}
		results = append(results, first)
		asked += calls()
	}
	if different := differences(content(results[0]), content(results[1])); len(different) > 0 {
		t.Errorf("it depends on the order of the webhooks: %v", different)
	}
	for _, want := range []string{"seen.first", "seen.ours", "seen.theirs", "theirs"} {
		if results[0].Annotations[want] == "" {
			t.Errorf("%s is missing: %v", want, results[0].Annotations)
		}
	}
	figure(t, "F6: a second mutating webhook, asked before and after ours, %d calls: 0 fields differ by order or when the object is sent again", asked)

	t.Run("control: one that does not come to rest", func(t *testing.T) {
		w.other(t, "z-other", func(pod *corev1.Pod, call int64) []patch {
			if pod.Annotations == nil {
				return nil
			}
			return []patch{{"add", "/metadata/annotations/theirs", fmt.Sprint("call ", call)}}
		})
		_, flapping, err := w.twice(t)
		if err != nil || len(flapping) == 0 {
			t.Errorf("no field is seen to flap, %v: the drill above proves nothing", err)
		}
	})
}

// pod is what becomes of a Pod with one container.
func (w *world) pod(ctx context.Context, name string) (*corev1.Pod, error) {
	return w.client.CoreV1().Pods(work).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "mutated"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: name, Image: name}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// twice makes a Pod, and sends what has become of it once more. What differs then is flapping.
func (w *world) twice(t *testing.T) (first *corev1.Pod, flapping []string, err error) {
	t.Helper()
	if first, err = w.pod(t.Context(), "first"); err != nil {
		return nil, nil, err
	}
	again := first.DeepCopy()
	again.UID, again.ResourceVersion, again.CreationTimestamp = "", "", metav1.Time{}
	second, err := w.client.CoreV1().Pods(work).Create(t.Context(), again, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, nil, err
	}
	return first, differences(content(first), content(second)), nil
}

// content is what webhooks change of a Pod, with its containers by name.
func content(pod *corev1.Pod) map[string]any {
	out := map[string]any{}
	for k, v := range pod.Annotations {
		out["annotation "+k] = v
	}
	for k, v := range pod.Labels {
		out["label "+k] = v
	}
	for _, c := range pod.Spec.Containers {
		c.VolumeMounts = nil // of the token, by a name that the API server makes up
		out["container "+c.Name] = c
	}
	return out
}

func differences(a, b map[string]any) (out []string) {
	for k := range a {
		if !reflect.DeepEqual(a[k], b[k]) {
			out = append(out, k)
		}
	}
	for k := range b {
		if _, is := a[k]; !is {
			out = append(out, k)
		}
	}
	return out
}

// patch is an operation of RFC 6902.
type patch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// other registers a mutating webhook of somebody else's until the end of the test, or until the next, under a name by which the API server
// orders them. change is told the number of the call; what is returned counts calls.
func (w *world) other(t *testing.T, as string, change func(*corev1.Pod, int64) []patch) (calls func() int64) {
	t.Helper()
	var count atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		var pod corev1.Pod
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &review) != nil || json.Unmarshal(review.Request.Object.Raw, &pod) != nil {
			http.Error(rw, "not a review of a Pod", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if edits := change(&pod, count.Add(1)); len(edits) > 0 {
			review.Response.PatchType = new(admissionv1.PatchTypeJSONPatch)
			review.Response.Patch, _ = json.Marshal(edits)
		}
		review.Request = nil
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(review)
	}))
	t.Cleanup(server.Close)
	api := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	remove := func(ctx context.Context) {
		for _, name := range []string{"a-other", "z-other"} {
			_ = api.Delete(ctx, name, metav1.DeleteOptions{})
		}
	}
	remove(t.Context())
	t.Cleanup(func() { remove(context.WithoutCancel(t.Context())) })
	hook := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: as},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "other.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: new(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy: new(admissionregistrationv1.IfNeededReinvocationPolicy), FailurePolicy: new(admissionregistrationv1.Fail),
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: new(server.URL), CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: work}},
		}},
	}
	if _, err := api.Create(t.Context(), hook, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the API server asks "+as, func() bool { _, err := w.pod(t.Context(), "first"); return err == nil && count.Load() > 0 })
	count.Store(0)
	return count.Load
}
