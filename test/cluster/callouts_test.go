package cluster_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// TestCallouts starts a control plane with every file that Callouts writes and sees that the API server accepts them, and acts on the
// answer of each callout.
func TestCallouts(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	server := newServer(t)
	server.callouts.StaticValidatingDir = writeStaticGuard(t, server.callouts)
	options, err := server.callouts.Write(filepath.Join(t.TempDir(), "callouts"))
	if err != nil {
		t.Fatal(err)
	}
	options.Users = map[string][]string{"alice": {"dev"}}
	c := cluster.StartT(t, options)
	adminConfig, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	admin := kubernetes.NewForConfigOrDie(adminConfig)
	for range 2 { // the second time changes what is there
		if err := server.callouts.Apply(t.Context(), adminConfig); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("authenticate", func(t *testing.T) {
		config := rest.AnonymousClientConfig(adminConfig)
		config.BearerToken = "opaque"
		review, err := kubernetes.NewForConfigOrDie(config).AuthenticationV1().SelfSubjectReviews().
			Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil || review.Status.UserInfo.Username != "walter" {
			t.Errorf("the user of the token is %v, %v", review, err)
		}
		config.BearerToken = "unknown"
		_, err = kubernetes.NewForConfigOrDie(config).AuthenticationV1().SelfSubjectReviews().
			Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if !apierrors.IsUnauthorized(err) {
			t.Errorf("an unknown token: %v", err)
		}
	})
	aliceConfig, err := c.UserRESTConfig("alice")
	if err != nil {
		t.Fatal(err)
	}
	alice := kubernetes.NewForConfigOrDie(aliceConfig)
	t.Run("grant", func(t *testing.T) {
		if _, err := alice.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("RBAC does not allow it, but the webhook does: %v", err)
		}
		if _, err := alice.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("nobody allows it: %v", err)
		}
	})
	t.Run("guard", func(t *testing.T) {
		_, err := alice.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Errorf("RBAC allows everybody to ask for himself: %v", err)
		}
		_, err = alice.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), &authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: "default"},
		}, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "guarded") {
			t.Errorf("RBAC allows this too, but the guard denies it: %v", err)
		}
	})
	configMap := func(name string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	t.Run("validate", func(t *testing.T) {
		// The registration takes effect a moment after Apply.
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
			_, err := admin.CoreV1().ConfigMaps("default").Create(ctx, configMap("bad"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err == nil {
				return false, nil
			}
			if !strings.Contains(err.Error(), `admission webhook "validate.portcullis.dev" denied the request: bad name`) {
				return false, err
			}
			return true, nil
		})
		if err != nil {
			t.Errorf("the object is not denied: %v", err)
		}
		if _, err := admin.CoreV1().ConfigMaps("kube-system").Create(t.Context(), configMap("bad"), metav1.CreateOptions{}); err != nil {
			t.Errorf("an exempt namespace: %v", err)
		}
	})
	t.Run("validate from a static manifest", func(t *testing.T) {
		// No webhook that is an object in the cluster is ever asked about this.
		err := admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Delete(t.Context(), "portcullis", metav1.DeleteOptions{})
		if err == nil || !strings.Contains(err.Error(), `"guard.portcullis.dev" denied the request: the registration stays`) {
			t.Errorf("the registration can be deleted: %v", err)
		}
	})
	t.Run("mutate", func(t *testing.T) {
		made, err := admin.CoreV1().ConfigMaps("default").Create(t.Context(), configMap("good"), metav1.CreateOptions{})
		if err != nil || made.Data["mutated"] != "yes" {
			t.Errorf("the object is not changed: %v, %v", made, err)
		}
	})
	t.Run("image", func(t *testing.T) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "evil"}}}}
		_, err := admin.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "evil image") {
			t.Errorf("the image is not denied: %v", err)
		}
		pod.Spec.Containers[0].Image = "good"
		if _, err := admin.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Errorf("the image is denied: %v", err)
		}
	})
	t.Run("events", func(t *testing.T) {
		err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
			return server.calls(cluster.Events) > 0, nil
		})
		if err != nil {
			t.Errorf("no audit event came: %v", err)
		}
	})

	for _, path := range []string{
		cluster.Authenticate, cluster.Guard, cluster.Grant, cluster.Mutate, cluster.Validate, cluster.Image, cluster.Events,
	} {
		if server.calls(path) == 0 {
			t.Errorf("%s was never called", path)
		}
	}
	if users := server.guarded(); slices.ContainsFunc(users, func(u string) bool { return strings.HasPrefix(u, "system:") && u != "system:anonymous" }) {
		t.Errorf("the guard was asked about the control plane itself: %q", users)
	}
}

// writeStaticGuard writes a webhook that protects the registration of the others, and returns the directory.
func writeStaticGuard(t *testing.T, c cluster.Callouts) string {
	t.Helper()
	c.Rules = []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Delete},
		Rule: admissionregistrationv1.Rule{
			APIGroups: []string{"admissionregistration.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"validatingwebhookconfigurations"},
		},
	}}
	guard, _ := c.WebhookConfigurations()
	guard.Name, guard.Webhooks[0].Name = "guard.static.k8s.io", "guard.portcullis.dev"
	data, err := yaml.Marshal(guard)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "guard.yaml"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// server is a webhook server with constant answers. It answers nobody without a client certificate of its authority.
type server struct {
	callouts cluster.Callouts

	mu    sync.Mutex
	count map[string]int
	users []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	ca := newAuthority(t)
	serving, err := tls.X509KeyPair(ca.issue(t, x509.ExtKeyUsageServerAuth))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.pem)

	s := &server{count: map[string]int{}}
	h := httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	h.TLS = &tls.Config{Certificates: []tls.Certificate{serving}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	h.StartTLS()
	t.Cleanup(h.Close)
	s.callouts = cluster.Callouts{URL: h.URL, CA: ca.pem}
	s.callouts.ClientCert, s.callouts.ClientKey = ca.issue(t, x509.ExtKeyUsageClientAuth)
	return s
}

func (s *server) calls(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[path]
}

func (s *server) guarded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users)
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[r.URL.Path]++
	var answer any
	var err error
	switch r.URL.Path {
	case cluster.Authenticate:
		answer, err = reply(r, func(review *authenticationv1.TokenReview) {
			if review.Spec.Token == "opaque" {
				review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "walter"}}
			}
		})
	case cluster.Guard:
		answer, err = reply(r, func(review *authorizationv1.SubjectAccessReview) {
			s.users = append(s.users, review.Spec.User)
			if a := review.Spec.ResourceAttributes; a != nil && a.Resource == "selfsubjectrulesreviews" {
				review.Status = authorizationv1.SubjectAccessReviewStatus{Denied: true, Reason: "guarded"}
			}
		})
	case cluster.Grant:
		answer, err = reply(r, func(review *authorizationv1.SubjectAccessReview) {
			if a := review.Spec.ResourceAttributes; a != nil && a.Resource == "configmaps" {
				review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: true}
			}
		})
	case cluster.Validate:
		answer, err = reply(r, func(review *admissionv1.AdmissionReview) {
			review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
			switch {
			case review.Request.Name == "bad":
				review.Response.Allowed, review.Response.Result = false, &metav1.Status{Message: "bad name"}
			case review.Request.Operation == admissionv1.Delete && review.Request.Kind.Kind == "ValidatingWebhookConfiguration":
				review.Response.Allowed, review.Response.Result = false, &metav1.Status{Message: "the registration stays"}
			}
		})
	case cluster.Mutate:
		answer, err = reply(r, func(review *admissionv1.AdmissionReview) {
			review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
			if review.Request.Name == "good" && review.Request.Kind.Kind == "ConfigMap" {
				kind := admissionv1.PatchTypeJSONPatch
				review.Response.PatchType, review.Response.Patch = &kind, []byte(`[{"op":"add","path":"/data","value":{"mutated":"yes"}}]`)
			}
		})
	case cluster.Image:
		answer, err = reply(r, func(review *imagepolicyv1alpha1.ImageReview) {
			review.Status.Allowed = review.Spec.Containers[0].Image != "evil"
			if !review.Status.Allowed {
				review.Status.Reason = "evil image"
			}
		})
	case cluster.Events:
		answer, err = reply(r, func(*auditv1.EventList) {})
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a caller who is gone needs no answer
}

func reply[T any](r *http.Request, fill func(*T)) (*T, error) {
	var review T
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		return nil, err
	}
	fill(&review)
	return &review, nil
}

// authority issues certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "webhook-ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t *testing.T, usage x509.ExtKeyUsage) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER})
}
