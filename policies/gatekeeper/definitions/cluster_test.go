package definitions

import (
	"log/slog"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

type plane struct {
	*cluster.Cluster
	client dynamic.Interface
}

func (p plane) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, err := p.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
	if err != nil {
		t.Fatalf("kubectl %v: %s", args, stderr)
	}
	return stdout
}

func (p plane) get(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	at := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	crd, err := p.client.Resource(at).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return crd
}

func (p plane) installer() *Installer {
	return &Installer{Client: p.client, Labels: map[string]string{"app.kubernetes.io/managed-by": "portcullis"}, Log: slog.New(slog.DiscardHandler)}
}

func (p plane) install(t *testing.T) {
	t.Helper()
	if err := p.installer().Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// foreign is a definition that somebody else has made, of which nothing is like ours.
const foreign = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: assign.mutations.gatekeeper.sh}
spec:
  group: mutations.gatekeeper.sh
  scope: Cluster
  names: {kind: Assign, plural: assign, singular: assign, listKind: AssignList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

func TestInstallingInARealCluster(t *testing.T) {
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	p := plane{Cluster: c, client: dynamic.NewForConfigOrDie(config)}
	p.kubectl(t, foreign, "apply", "-f", "-")
	theirs := p.get(t, "assign.mutations.gatekeeper.sh")
	p.install(t)
	p.kubectl(t, "", append([]string{"wait", "--for=condition=Established", "--timeout=60s", "crd"}, Names()...)...)
	if now := p.get(t, theirs.GetName()); now.GetGeneration() != theirs.GetGeneration() || now.GetLabels() != nil {
		t.Errorf("what somebody else has defined was changed: %v", now)
	}

	// An old version of a template keeps what its default was.
	p.kubectl(t, `{apiVersion: templates.gatekeeper.sh/v1beta1, kind: ConstraintTemplate, metadata: {name: old}, spec: {crd: {spec: {names: {kind: Old}}}}}`,
		"apply", "-f", "-")
	if got := p.kubectl(t, "", "get", "constrainttemplates.v1.templates.gatekeeper.sh", "old", "-o", "jsonpath={.spec.crd.spec.validation.legacySchema}"); got != "true" {
		t.Errorf("legacySchema of what was written as v1beta1 is %q in v1", got)
	}
	// What is misspelt is said by the API server.
	if _, _, err := p.Kubectl(t.Context(), "", strings.NewReader(`{apiVersion: syncset.gatekeeper.sh/v1alpha1, kind: SyncSet, metadata: {name: a}, spec: {gvk: []}}`),
		"create", "--validate=strict", "-f", "-"); err == nil {
		t.Error("a field that there is not is taken")
	}

	// Once more writes nothing; a version of ours that is another than now is brought up to date, unless somebody has taken it over.
	before := p.get(t, "syncsets.syncset.gatekeeper.sh")
	p.install(t)
	if now := p.get(t, before.GetName()); now.GetResourceVersion() != before.GetResourceVersion() {
		t.Error("what is there is written again")
	}
	for _, crd := range all(t) { // an earlier version has no columns
		crd.Spec.Versions[0].AdditionalPrinterColumns = []apiextensionsv1.CustomResourceColumnDefinition{{Name: "Name", Type: "string", JSONPath: ".metadata.name"}}
		if err := p.installer().ensure(t.Context(), crd); err != nil {
			t.Fatal(err)
		}
	}
	p.kubectl(t, "", "patch", "crd", "configs.config.gatekeeper.sh", "--type=json",
		`-p=[{"op": "add", "path": "/spec/versions/0/additionalPrinterColumns/0/name", "value": "Theirs"}]`)
	taken := p.get(t, "configs.config.gatekeeper.sh")
	p.install(t)
	if now := p.get(t, "syncsets.syncset.gatekeeper.sh"); now.GetAnnotations()[Annotation] != before.GetAnnotations()[Annotation] ||
		now.GetResourceVersion() == before.GetResourceVersion() {
		t.Error("an earlier version of ours stays")
	}
	if now := p.get(t, taken.GetName()); now.GetResourceVersion() != taken.GetResourceVersion() {
		t.Error("what somebody has changed is changed back")
	}
}
