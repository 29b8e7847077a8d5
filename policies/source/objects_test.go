package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
)

func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &out.Object); err != nil {
		t.Fatal(err)
	}
	return out
}

// policyObject is a Policy that brings its Rego.
func policyObject(t testing.TB, name, rego string) *unstructured.Unstructured {
	t.Helper()
	out := object(t, "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: "+name+"}")
	out.Object["spec"] = map[string]any{"rego": rego}
	return out
}

func configMap(t testing.TB, namespace, name string, labels string, data map[string]any) *unstructured.Unstructured {
	t.Helper()
	out := object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+", namespace: "+namespace+", labels: "+labels+"}")
	out.Object["data"] = data
	return out
}

const labelled = "{openpolicyagent.org/policy: rego}"

func crd(t testing.TB, plural string) *unstructured.Unstructured {
	t.Helper()
	return object(t, "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: "+plural+".portcullis.dev}")
}

// fakeCluster holds the objects, with both CRDs.
func fakeCluster(t testing.TB, objects ...runtime.Object) *fake.FakeDynamicClient {
	t.Helper()
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		resource("policies"): "PolicyList", resource("policyexceptions"): "PolicyExceptionList",
		{Version: "v1", Resource: "secrets"}:                                                  "SecretList",
		{Version: "v1", Resource: "configmaps"}:                                               "ConfigMapList",
		{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}: "CustomResourceDefinitionList",
	}, append(objects, crd(t, "policies"), crd(t, "policyexceptions"))...)
}

func newObjects(t testing.TB, client *fake.FakeDynamicClient) *Objects {
	t.Helper()
	return &Objects{Client: client, Reader: newFiles(t).Reader, ConfigMaps: []string{"portcullis"}, Log: slog.New(slog.DiscardHandler)}
}

// following yields the bundles of o while the test runs.
func following(t *testing.T, o policies.Source) <-chan policies.Bundle {
	t.Helper()
	bundles := make(chan policies.Bundle, 64)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx, func(b policies.Bundle) { bundles <- b }) }()
	t.Cleanup(func() {
		cancel()
		for {
			select {
			case <-bundles:
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
				return
			}
		}
	})
	return bundles
}

func TestAClustersPoliciesAreOneBundle(t *testing.T) {
	client := fakeCluster(t,
		policyObject(t, "mine", rule("policy")),
		object(t, "apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: used}\nspec: {use: team.shared}"),
		configMap(t, "portcullis", "old", labelled, map[string]any{
			"main":      "package kubernetes.admission\n\ndeny[msg] {\n\tmsg := \"old\"\n}\n",
			"more.rego": "package team.shared\n\ndeny contains \"shared\"\n",
		}),
		configMap(t, "portcullis", "unlabelled", "{}", map[string]any{"main": rule("unlabelled")}),
		configMap(t, "elsewhere", "theirs", labelled, map[string]any{"main": rule("theirs")}),
	)
	client.PrependReactor("list", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if got := action.(clienttesting.ListAction).GetListRestrictions().Labels.String(); got != ConfigMapSelector {
			t.Errorf("ConfigMaps are selected by %q", got)
		}
		return false, nil, nil
	})
	o := newObjects(t, client)
	if err := o.Ready(); err == nil || err.Error() != "the cluster's policies have not been listed yet" {
		t.Error(err)
	}
	bundles := following(t, o)
	expect(t, bundles, `kubernetes.admission msg; team.shared "shared"; mine "policy"; used "shared"`)
	if err := o.Ready(); err != nil {
		t.Error(err)
	}
	policies := client.Resource(resource("policies"))
	if _, err := policies.Update(t.Context(), policyObject(t, "mine", "package team.rule\n\ndeny contains if {\n"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `kubernetes.admission msg; team.shared "shared"; used "shared"; policy/mine:3: unexpected if keyword`)
	if err := policies.Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `kubernetes.admission msg; team.shared "shared"; used "shared"`)
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("portcullis")
	broken := configMap(t, "portcullis", "old", labelled, map[string]any{"main": "package kubernetes.admission\n\ndeny[msg] {\n"})
	if _, err := maps.Update(t.Context(), broken, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `configmap/portcullis/old/main:4: unexpected eof token; `+
		`policy/used:1: Policy used: there is no policy "team.shared", neither in the library nor beside it`)
}

func TestConfigMapsOfAllNamespacesAreNotPolicies(t *testing.T) {
	for _, name := range []string{"", "*"} {
		o := newObjects(t, fakeCluster(t))
		o.ConfigMaps = []string{"portcullis", name}
		err := o.Run(t.Context(), nil)
		if err == nil || err.Error() != "a namespace with policies in ConfigMaps has no name; name each, for whoever may write ConfigMaps there writes policy" {
			t.Error(err)
		}
	}
}

func TestANamespaceNamedTwiceIsReadOnce(t *testing.T) {
	o := newObjects(t, fakeCluster(t, configMap(t, "portcullis", "old", labelled, map[string]any{"main": rule("one")})))
	o.ConfigMaps = []string{"portcullis", "portcullis"}
	b := <-following(t, o)
	if len(b.Specs) != 1 || len(b.Specs[0].Modules) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestAnEmptyClusterIsABundleToo(t *testing.T) {
	b := <-following(t, newObjects(t, fakeCluster(t)))
	if !b.Listed || len(b.Specs)+len(b.Faults) > 0 {
		t.Errorf("%+v", b)
	}
}

func TestExceptionsAreReadWithTheirNamespace(t *testing.T) {
	b := <-following(t, newObjects(t, fakeCluster(t,
		object(t, `{apiVersion: portcullis.dev/v1alpha1, kind: PolicyException, metadata: {name: a, namespace: prod}, spec: {policies: [x], match: {names: [web]}, reason: z, expires: "2020-01-01T00:00:00Z"}}`),
		object(t, `{apiVersion: portcullis.dev/v1alpha1, kind: PolicyException, metadata: {name: b, namespace: prod}, spec: {}}`),
	)))
	if len(b.Exceptions) != 1 || b.Exceptions[0].Namespace != "prod" || b.Exceptions[0].Name != "a" ||
		b.Faults.Error() != "policyexception/prod/b:1: PolicyException prod/b: name at least one policy in spec.policies" {
		t.Errorf("%+v", b)
	}
}

// Status and annotations are written all the time, and are nothing to read policies again for.
func TestAStatusIsNoChange(t *testing.T) {
	written := policyObject(t, "mine", rule("one"))
	before := policyFile(written)
	written.Object["status"] = map[string]any{"findings": int64(7)}
	written.SetResourceVersion("8")
	written.SetAnnotations(map[string]string{"a": "b"})
	if after := policyFile(written); string(before.Text) != string(after.Text) {
		t.Errorf("%s\n%s", before.Text, after.Text)
	}
}

func TestNothingIsYieldedBeforeTheKindIsServed(t *testing.T) {
	client := fakeCluster(t, policyObject(t, "mine", rule("one")))
	var served atomic.Bool
	missing := func(action clienttesting.Action) (bool, error) {
		if served.Load() {
			return false, nil
		}
		return true, apierrors.NewNotFound(action.GetResource().GroupResource(), "")
	}
	client.PrependReactor("list", "policies", func(action clienttesting.Action) (bool, runtime.Object, error) {
		handled, err := missing(action)
		return handled, nil, err
	})
	o := newObjects(t, client)
	log := make(logged, 8)
	o.Log = slog.New(log)
	bundles := following(t, o)
	const want = "policies.portcullis.dev: the cluster does not serve the kind; install the CRDs that come with Portcullis; what was read before stays in force"
	for got := range log {
		if got == want {
			break
		}
	}
	if err := o.Ready(); err == nil || err.Error() != want {
		t.Error(err)
	}
	select {
	case b := <-bundles:
		t.Errorf("%+v", b)
	default:
	}
	served.Store(true)
	expect(t, bundles, `mine "one"`)
}

// logged is a log that hands over each error it is told.
type logged chan string

func (logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l logged) WithGroup(string) slog.Handler          { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		l <- a.Value.String()
		return true
	})
	return nil
}

// Who deletes a CRD deletes all its objects. That is an accident more often than not, and no reason to open the gate.
func TestPoliciesStayWhenTheirKindIsDeleted(t *testing.T) {
	client := fakeCluster(t, policyObject(t, "mine", rule("one")), policyObject(t, "other", "package other\n\ndeny contains 2"))
	bundles := following(t, newObjects(t, client))
	expect(t, bundles, `mine "one"; other 2`)
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if err := crds.Delete(t.Context(), "policies.portcullis.dev", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "other"} {
		if err := client.Resource(resource("policies")).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, bundles, `mine "one"; other 2; policies.portcullis.dev: its CRD was deleted, and all objects with it; what was read stays in force until it is installed again`)
	if _, err := crds.Create(t.Context(), crd(t, "policies"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Resource(resource("policies")).Create(t.Context(), policyObject(t, "other", "package other\n\ndeny contains 3"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `other 3`)
}

func TestWhatCannotBeToldDeletedStays(t *testing.T) {
	client := fakeCluster(t, policyObject(t, "mine", rule("one")))
	client.PrependReactor("get", "customresourcedefinitions", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(action.GetResource().GroupResource(), "policies.portcullis.dev", errors.New("no rule"))
	})
	bundles := following(t, newObjects(t, client))
	expect(t, bundles, `mine "one"`)
	if err := client.Resource(resource("policies")).Delete(t.Context(), "mine", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, bundles, `mine "one"; policies.portcullis.dev: give Portcullis' service account the rule it lacks; what was read before stays in force: `+
		`customresourcedefinitions.apiextensions.k8s.io "policies.portcullis.dev" is forbidden: no rule`)
}

func TestMoreThanABundleMayHoldStaysOut(t *testing.T) {
	o := newObjects(t, fakeCluster(t))
	o.bundle(nil, nil, nil)
	file := policyFile(policyObject(t, "mine", strings.Repeat("#", 1<<20)))
	files := append(make([]native.File, 0, maxFiles+1), file)
	for len(files) <= maxFiles {
		files = append(files, native.File{Name: "policy/x"})
	}
	if b := o.bundle(files, nil, nil); len(b.Specs) > 0 || b.Faults.Error() != "the cluster's policies are 10001 files of 1 MiB, more than 10000 or 64 MiB; what was read before stays" {
		t.Error(b.Faults)
	}
}
