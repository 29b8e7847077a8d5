package cmd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

// everyStage are policies of which each callout asks one.
func everyStage() map[string]string {
	return map[string]string{
		"tokens.rego": "# METADATA\n# custom:\n#   portcullis: {}\npackage tokens\n\nuser := {\"username\": \"walter\", \"groups\": [\"dev\"]} if input.spec.token == \"opaque\"\n",
		"guard.rego": "# METADATA\n# custom:\n#   portcullis: {match: {stage: guard, users: [alice], resources: [secrets]}}\npackage guarded\n\n" +
			"deny contains \"sealed\"\n",
		"grant.rego": "# METADATA\n# custom:\n#   portcullis: {match: {stage: grant, users: [alice], resources: [configmaps]}}\npackage granted\n\n" +
			"allow contains \"lent\"\n",
		"mutate.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [configmaps], operations: [CREATE]}}\npackage mutated\n\n" +
			"mutate contains {\"set\": [\"data\", \"mutated\"], \"value\": \"yes\"}\n",
		"validate.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [configmaps]}}\npackage validated\n\n" +
			"deny contains \"bad name\" if input.request.name == \"bad\"\n",
		"image.rego": "# METADATA\n# custom:\n#   portcullis: {match: {stage: image}}\npackage images\n\n" +
			"deny contains \"evil image\" if {\n\tsome c in input.spec.containers\n\tc.image == \"evil\"\n}\n",
	}
}

// writeFiles writes files into a new directory.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// clientPair is a certificate that vouches for itself, by which the API server proves that it is the API server.
func clientPair(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kube-apiserver"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string]string{
		"client.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"client.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	})
	return filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key")
}

// served is a server that runs.
type served struct {
	url, health, ca string
	log             *buffer
}

// startServe runs serve with more flags until the test is over. The certificates come first: the API server must know whom to trust.
func startServe(t *testing.T, policies string, more ...string) served {
	t.Helper()
	dir := t.TempDir()
	if _, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	listen := address(t)
	s := served{url: "https://" + listen, health: "http://" + address(t), ca: filepath.Join(dir, "announced.crt"), log: &buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, append([]string{
			"serve", "--policies=" + policies, "--listen=" + listen, "--health-listen=" + strings.TrimPrefix(s.health, "http://"),
			"--cert-dir=" + dir, "--ca-file=" + s.ca, "--drain=0s",
		}, more...), nil, io.Discard, s.log)
	}()
	t.Cleanup(func() {
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("serve ended with %d\n%s", got, s.log)
		}
	})
	eventually(t, "ready", func() bool {
		status, _ := s.get(t, "/readyz")
		return status == http.StatusOK
	})
	return s
}

func (s served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get(s.health + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// The real API server starts with exactly the files that setup writes and the flags it prints, and acts on the answer of each callout.
func TestSetupInARealCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	policies := writeFiles(t, everyStage())
	certificate, key := clientPair(t)
	server := startServe(t, policies, "--client-ca="+certificate, "--client-name=kube-apiserver")
	dir := t.TempDir()
	var stderr buffer
	args := []string{
		"setup", "--url=" + server.url, "--ca-file=" + server.ca, "--client-cert=" + certificate, "--client-key=" + key,
		"--policies=" + policies, "--dir=" + dir, "--node-dir=" + dir,
	}
	if code := Run(t.Context(), args, nil, io.Discard, &stderr); code != exitOK {
		t.Fatal(stderr.String())
	}
	plane := cluster.Options{Users: map[string][]string{"alice": {"dev"}}}
	if err := plane.TakeFile(filepath.Join(dir, "kube-apiserver.flags")); err != nil {
		t.Fatal(err)
	}
	c := cluster.StartT(t, plane)
	adminConfig, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	aliceConfig, err := c.UserRESTConfig("alice")
	if err != nil {
		t.Fatal(err)
	}
	admin, alice := kubernetes.NewForConfigOrDie(adminConfig), kubernetes.NewForConfigOrDie(aliceConfig)

	walter := rest.AnonymousClientConfig(adminConfig)
	walter.BearerToken = "opaque"
	review, err := kubernetes.NewForConfigOrDie(walter).AuthenticationV1().SelfSubjectReviews().
		Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username != "walter" {
		t.Errorf("the token is of %v, %v", review, err)
	}
	if _, err := alice.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("the guard: %v", err)
	}
	if _, err := alice.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the grant: %v", err)
	}
	config := func(name string) (*corev1.ConfigMap, error) {
		return admin.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	}
	if made, err := config("good"); err != nil || made.Data["mutated"] != "yes" {
		t.Errorf("the mutating webhook: %v, %v", made, err)
	}
	if _, err := config("bad"); err == nil || !strings.Contains(err.Error(), `admission webhook "enforce.validate.portcullis.dev" denied the request: validated: bad name`) {
		t.Errorf("the validating webhook: %v", err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "evil"}}}}
	if _, err := admin.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "evil image") {
		t.Errorf("the image webhook: %v", err)
	}
	// What is in no API can be deleted by nobody.
	list, err := admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("the registration is an object: %v, %v", list, err)
	}
	_, metrics := server.get(t, "/metrics")
	for _, webhook := range []string{"authenticate", "guard", "grant", "mutate", "validate", "image"} {
		if !strings.Contains(metrics, `webhook="`+webhook+`"`) {
			t.Errorf("%s was never asked", webhook)
		}
	}
}
