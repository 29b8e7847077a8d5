package registration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// server answers as Portcullis would: it refuses every Pod whose name is "bad", and every probe.
type server struct {
	*httptest.Server
	ca     []byte
	broken atomic.Bool // answers 500 to everything
	silent atomic.Bool // takes longer than anybody waits
	// probes are counted; each is answered by the next of two replicas.
	probes atomic.Int32
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	answer := func(dialect review.Dialect, reviewer review.Reviewer) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if s.silent.Load() {
				<-r.Context().Done()
				return
			}
			if err != nil || s.broken.Load() {
				http.Error(w, "broken", http.StatusInternalServerError)
				return
			}
			req, spell, err := dialect(body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			decision, err := reviewer.Review(r.Context(), req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(spell(decision))
		}
	}
	judge := review.ReviewerFunc(func(_ context.Context, req *review.Request) (review.Decision, error) {
		if req.Target.Name == "bad" {
			return review.Decision{Verdict: review.Deny, Findings: []review.Finding{{Policy: "names", Effect: review.EffectDeny, Message: "bad name"}}}, nil
		}
		return review.Decision{Verdict: review.Allow}, nil
	})
	mux := http.NewServeMux()
	mux.Handle(ValidatePath, answer(review.DialectValidate, judge))
	mux.Handle(PoliciesPath, answer(review.DialectValidate, judge))
	mux.Handle(MutatePath, answer(review.DialectMutate, review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
		return review.Decision{Verdict: review.Allow}, nil
	})))
	mux.HandleFunc(ProbePath, func(w http.ResponseWriter, r *http.Request) {
		replica := fmt.Sprintf("replica-%d", s.probes.Add(1)%2+1)
		answer(review.DialectValidate, Answering(replica, func() []byte { return s.ca }))(w, r)
	})
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s
}

// stranger is an authority that has signed nothing.
func stranger(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// plane is a real control plane and its administrator's clients.
type plane struct {
	*cluster.Cluster
	config  *rest.Config
	client  *kubernetes.Clientset
	dynamic *dynamic.DynamicClient
}

func clients(t *testing.T, c *cluster.Cluster) *plane {
	t.Helper()
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	return &plane{c, config, kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config)}
}

// namespace makes a namespace in which Pods can be made.
func (p *plane) namespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := p.client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service account of "+name, func(ctx context.Context) (bool, error) {
		_, err := p.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, nil
	})
}

// pod tries to make a Pod, as a dry run.
func (p *plane) pod(ctx context.Context, namespace, name string) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	_, err := p.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// eventually asks until the answer is yes, and fails the test when half a minute has passed or there is an error.
func eventually(t *testing.T, what string, ask func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 2*time.Minute, true, ask); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// overwrite writes a configuration as somebody else.
func overwrite(ctx context.Context, p place, w *world, o *object) (*unstructured.Unstructured, error) {
	body, err := convert[unstructured.Unstructured](o)
	if err != nil {
		return nil, err
	}
	return p.client(w.dynamic).Update(ctx, body, metav1.UpdateOptions{FieldManager: "somebody"})
}
