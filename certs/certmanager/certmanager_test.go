package certmanager

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func options(change ...func(*Options)) Options {
	o := Options{
		Namespace: "portcullis", Name: "portcullis", DNSNames: []string{"portcullis.portcullis.svc"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func TestNeedsAName(t *testing.T) {
	_, err := New(Options{})
	if err == nil || err.Error() != "the certificate of cert-manager: there is no DNS name and no IP address to certify" {
		t.Error(err)
	}
}

// TestObjects compares with testdata what cert-manager is asked for. UPDATE=1 writes it.
func TestObjects(t *testing.T) {
	for name, o := range map[string]Options{
		"own-authority": options(),
		"issuer": options(func(o *Options) {
			o.Issuer = cmmeta.IssuerReference{Name: "corporate", Kind: cmapi.ClusterIssuerKind, Group: "cert-manager.io"}
		}),
	} {
		c, err := New(o)
		must(t, err)
		var got bytes.Buffer
		for _, object := range c.objects() {
			text, err := yaml.Marshal(object)
			must(t, err)
			got.WriteString("---\n" + string(text))
		}
		file := filepath.Join("testdata", name+".yaml")
		if os.Getenv("UPDATE") != "" {
			must(t, os.WriteFile(file, got.Bytes(), 0o600))
		}
		want, err := os.ReadFile(file)
		must(t, err)
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: it is\n%s", file, got.String())
		}
	}
}

// crds are cert-manager's own, from its module.
func crds(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	must(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds", "cert-manager.io_*.yaml"))
	must(t, err)
	if len(files) != 4 {
		t.Fatalf("cert-manager's module has %d CRDs", len(files))
	}
	return files
}

// TestAppliesToARealAPIServer has the API server judge the objects by cert-manager's real schemas, and cert-manager's own controllers, in
// a process of their own, issue the certificate.
func TestAppliesToARealAPIServer(t *testing.T) {
	plane := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := plane.RESTConfig()
	must(t, err)
	scheme := runtime.NewScheme()
	must(t, cmapi.AddToScheme(scheme))
	must(t, corev1.AddToScheme(scheme))
	must(t, apiextensionsv1.AddToScheme(scheme))
	admin, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	must(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "portcullis"}}))

	var owner *metav1.OwnerReference
	unknown := errors.New("the cluster does not say")
	c, err := New(options(func(o *Options) {
		o.Client = admin
		o.Owner = func(context.Context) (*metav1.OwnerReference, error) { return owner, unknown }
	}))
	must(t, err)
	const missing = "the cluster knows no Issuer of cert-manager.io/v1: install cert-manager, or choose another source of the certificate"
	if err := c.Apply(t.Context()); err == nil || err.Error() != missing {
		t.Errorf("got  %v\nwant %s", err, missing)
	}
	for _, file := range crds(t) {
		_, _, err := plane.Kubectl(t.Context(), "", nil, "apply", "--server-side", "-f", file)
		must(t, err)
	}
	_, _, err = plane.Kubectl(t.Context(), "", nil, "wait", "--for=condition=Established", "crd", "--all")
	must(t, err)

	const waits = "applying Issuer portcullis/portcullis-self-signed: it is not known with what it vanishes: the cluster does not say"
	if err := c.Apply(t.Context()); err == nil || err.Error() != waits {
		t.Errorf("got  %v\nwant %s", err, waits)
	}
	owner, unknown = &metav1.OwnerReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Name: "portcullis", UID: "1"}, nil
	must(t, c.Apply(t.Context()))
	var before, after cmapi.Certificate
	key := client.ObjectKey{Namespace: "portcullis", Name: "portcullis"}
	must(t, admin.Get(t.Context(), key, &before))
	if got := before.Spec; got.SecretName != c.SecretName() || got.IssuerRef.Name != "portcullis-ca" || got.IPAddresses[0] != "127.0.0.1" {
		t.Errorf("the API server keeps %+v", got)
	}
	owner, unknown = nil, errors.New("the cluster does not say")
	must(t, c.Apply(t.Context())) // what is there is kept whatever becomes of its owner
	must(t, admin.Get(t.Context(), key, &after))
	if len(after.OwnerReferences) != 1 || after.OwnerReferences[0].UID != "1" {
		t.Errorf("it is nobody's any more: %+v", after.OwnerReferences)
	}
	if before.ResourceVersion != after.ResourceVersion {
		t.Error("what is there already was written again")
	}
	must(t, admin.Delete(t.Context(), &after))
	unknown = nil // there is none
	must(t, c.Apply(t.Context()))
	after = cmapi.Certificate{}
	must(t, admin.Get(t.Context(), key, &after))
	if len(after.OwnerReferences) != 0 {
		t.Errorf("it is owned by %+v", after.OwnerReferences)
	}

	t.Run("issued", func(t *testing.T) { issued(t, plane, admin, c) })
}
