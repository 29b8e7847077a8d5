package release_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/portcullis-dev/portcullis/certs"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/cluster/node"
	"github.com/portcullis-dev/portcullis/test/props"
	"github.com/portcullis-dev/portcullis/test/release"
)

// TestWhatSetupPrintsDoesNotKeepPortcullisFromStarting has an API server that was told by setup, with --guard-fails, to ask a guard that
// nobody is yet, and about the images of every Pod. The chart's Portcullis comes up in that cluster all the same, and is the guard then.
func TestWhatSetupPrintsDoesNotKeepPortcullisFromStarting(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starting a control plane takes seconds, and this is -short")
	}
	binary := props.ServerT(t, "../..")
	dir, listen := t.TempDir(), props.FreeAddressT(t)
	// The API server must know whom to trust before there is a cluster to keep the certificate in.
	pair := filepath.Join(dir, "pair")
	if _, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"portcullis.guard.svc"}, Dir: pair}); err != nil {
		t.Fatal(err)
	}
	setup := exec.CommandContext(t.Context(), binary, "setup", "--url=https://"+listen, "--ca-file="+filepath.Join(pair, "ca.crt"),
		"--callouts=guard,image", "--guard-fails", "--namespace=guard", "--dir="+dir, "--node-dir="+dir)
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	options := cluster.Options{ExtraArgs: []string{node.AggregatorRouting}, Users: map[string][]string{"alice": {"dev"}}}
	if err := options.TakeFile(filepath.Join(dir, "kube-apiserver.flags")); err != nil {
		t.Fatal(err)
	}
	c := cluster.StartT(t, options)
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	aliceConfig, err := c.UserRESTConfig("alice")
	if err != nil {
		t.Fatal(err)
	}
	alice := func() error { // what RBAC allows everybody
		_, err := kubernetes.NewForConfigOrDie(aliceConfig).AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(),
			&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
			}}, metav1.CreateOptions{})
		return err
	}
	if err := alice(); err == nil {
		t.Error("nobody is the guard, and alice gets something: the test proves nothing")
	}

	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "guard"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pair"}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{}}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		if secret.Data[name], err = os.ReadFile(filepath.Join(pair, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.CoreV1().Secrets("guard").Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	node.StartT(t, node.Options{Config: config, Programs: map[string]node.Program{"ghcr.io/portcullis-dev/portcullis:test": {
		Path: binary,
		Arguments: func(i node.Instance) []string {
			return []string{"--listen=" + listen, "--health-listen=" + i.Address(8081), "--drain=0s"}
		},
	}}})
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	if _, err := r.Helm(t.Context(), c.Kubeconfig, "install", r.Name, r.Chart(), "--namespace="+r.Namespace, "--set=image.tag=test,replicaCount=1",
		"--set=tls.mode=existing-secret,tls.secretName=pair", "--wait", "--timeout=120s"); err != nil {
		t.Fatal(err)
	}
	until(t, "alice gets what the guard does not refuse", func() bool { return alice() == nil })
}
