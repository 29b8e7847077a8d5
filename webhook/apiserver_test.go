package webhook

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/request"
	apiserver "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/rest"
)

// service stands for a Service: callers know one address, and what answers there changes some time after it should.
type service struct{ backend atomic.Pointer[string] }

func (s *service) point(to string) { s.backend.Store(&to) }

func (s *service) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, *s.backend.Load())
}

// ResolveEndpoint returns the address that never changes, as an API server that routes by cluster IP sees it.
func (s *service) ResolveEndpoint(string, string, int32) (*url.URL, error) {
	return &url.URL{Scheme: "https", Host: "10.96.0.1:443"}, nil
}

// caller is the API server's own client for webhooks, HTTP/1.1 to a Service and HTTP/2 to a URL on its own machine.
func (s *service) caller(t *testing.T, ca *authority, http2 bool) *rest.RESTClient {
	t.Helper()
	manager, err := apiserver.NewClientManager([]schema.GroupVersion{admissionv1.SchemeGroupVersion}, admissionv1.AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	config := func() (*rest.Config, error) { return &rest.Config{Dial: s.dial}, nil }
	manager.SetAuthenticationInfoResolver(&apiserver.AuthenticationInfoResolverDelegator{
		ClientConfigForFunc:        func(string) (*rest.Config, error) { return config() },
		ClientConfigForServiceFunc: func(string, string, int) (*rest.Config, error) { return config() },
	})
	manager.SetServiceResolver(s)
	cc := apiserver.ClientConfig{Name: "test", CABundle: ca.pem(), Service: &apiserver.ClientConfigService{
		Name: "portcullis", Namespace: "portcullis", Path: "validate", Port: 443,
	}}
	if http2 {
		cc.Service, cc.URL = nil, "https://127.0.0.1:8443/validate"
	}
	client, err := manager.HookClient(cc)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// ask sends one review as the API server's dispatcher does, and checks the answer as it does.
func ask(ctx context.Context, client *rest.RESTClient, uid types.UID) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	question := &admissionv1.AdmissionReview{Request: &admissionv1.AdmissionRequest{
		UID: uid, Operation: admissionv1.Create, Namespace: "prod", Name: "web",
		Kind:     metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Object:   runtime.RawExtension{Raw: []byte(`{"kind":"Pod","apiVersion":"v1"}`)},
	}}
	answer := &admissionv1.AdmissionReview{}
	if err := client.Post().Body(question).Timeout(10 * time.Second).Do(ctx).Into(answer); err != nil {
		return err
	}
	got, err := request.VerifyAdmissionResponse(uid, false, answer)
	if err == nil && !got.Allowed {
		err = fmt.Errorf("refused: %v", got.Result)
	}
	return err
}
