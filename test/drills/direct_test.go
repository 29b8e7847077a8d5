package drills

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// answer is what a server answers when it is called directly.
type answer struct {
	code       int
	retryAfter string
	response   admissionv1.AdmissionResponse // when code is 200
}

// message is why a request is refused, empty if it is not.
func (a answer) message() string {
	if a.response.Allowed || a.response.Result == nil {
		return ""
	}
	return a.response.Result.Message
}

// direct calls servers without the API server.
type direct struct{ client *http.Client }

// caller is a client that trusts the release and shows the certificate; none if it has none.
func (w *world) direct(t *testing.T, shown ...tls.Certificate) *direct {
	t.Helper()
	secret, err := w.client.CoreV1().Secrets(namespace).Get(t.Context(), name+"-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		t.Fatal("the Secret has no ca.crt")
	}
	return newDirect(t, &tls.Config{RootCAs: trusted, ServerName: name + "." + namespace + ".svc", Certificates: shown})
}

// asAPIServer shows the API server's certificate.
func (w *world) asAPIServer(t *testing.T) *direct {
	t.Helper()
	cert, err := w.caller.certificate()
	if err != nil {
		t.Fatal(err)
	}
	return w.direct(t, cert)
}

func newDirect(t *testing.T, config *tls.Config) *direct {
	transport := &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: 5 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &direct{&http.Client{Transport: transport, Timeout: 5 * time.Second}}
}

// ask sends one review to a server at HOST:PORT. An error means that there was no HTTP answer.
func (d *direct) ask(ctx context.Context, address string, review []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/validate?timeout=3s", bytes.NewReader(review))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := d.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	out := answer{code: response.StatusCode, retryAfter: response.Header.Get("Retry-After")}
	if out.code != http.StatusOK {
		return out, nil
	}
	var got admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &got); err != nil || got.Response == nil {
		return out, fmt.Errorf("not a review: %w: %s", err, body)
	}
	out.response = *got.Response
	return out, nil
}

// review is one that asks to create a ConfigMap, or a Secret, without labels; as a dry run, so that drills leave the status of team as it is.
func review(t *testing.T, kind, in string) []byte {
	t.Helper()
	objects := map[string]struct {
		resource string
		object   runtime.Object
	}{
		"ConfigMap": {"configmaps", &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: in}}},
		"Secret":    {"secrets", &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: in}}},
	}
	it := objects[kind]
	gvk, gvr := metav1.GroupVersionKind{Version: "v1", Kind: kind}, metav1.GroupVersionResource{Version: "v1", Resource: it.resource}
	text, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID("drill"), Kind: gvk, Resource: gvr, RequestKind: &gvk, RequestResource: &gvr, Name: "x", Namespace: in,
			Operation: admissionv1.Create, UserInfo: authenticationv1.UserInfo{Username: "alice"}, Object: runtime.RawExtension{Object: it.object},
			DryRun: new(true),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// addresses are where the servers listen, by Pod.
func (w *world) addresses(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pod := range w.pods(t) {
		instance, err := w.node.Instance(namespace, pod.Name, "")
		if err != nil {
			t.Fatal(err)
		}
		out[pod.Name] = instance.Address(8443)
	}
	return out
}
