package contract

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// answer is what came back over the wire.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// status reads the answer as the Kubernetes Status that every refusal at this level is.
func (a answer) status(t testing.TB) metav1.Status {
	t.Helper()
	var status metav1.Status
	if err := json.Unmarshal(a.body, &status); err != nil || status.Kind != "Status" || status.APIVersion != "v1" {
		t.Errorf("the answer is not a Status: %s", a.body)
	}
	return status
}

// post sends a body as it stands. Whoever wants another method or header changes the request.
func (s *server) post(t testing.TB, path string, body []byte, change ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.address+path, bytes.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return answer{code: response.StatusCode, header: response.Header, body: text}
}

// anotherWebhook serves a webhook of somebody else's, which answers whatever it likes, and says how to call it.
func anotherWebhook(t testing.TB, respond func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) admissionregistrationv1.WebhookClientConfig {
	t.Helper()
	other := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		review.Response = respond(review.Request)
		review.Response.UID = review.Request.UID
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(other.Close)
	return admissionregistrationv1.WebhookClientConfig{
		URL: new(other.URL), CABundle: pemOf(other.Certificate()),
	}
}

func patching(patch string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Allowed: true, Patch: []byte(patch), PatchType: new(admissionv1.PatchTypeJSONPatch)}
}

// podReview is an AdmissionReview about the creation of a Pod, as text, with its members changed.
func podReview(t testing.TB, change ...func(*admissionv1.AdmissionReview)) []byte {
	t.Helper()
	object, err := json.Marshal(pod())
	must(t, err)
	r := &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "u-1", Operation: admissionv1.Create, Namespace: "shop", Name: "web",
			Kind:     metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Object:   runtime.RawExtension{Raw: object},
		},
	}
	for _, c := range change {
		c(r)
	}
	text, err := json.Marshal(r)
	must(t, err)
	return text
}
