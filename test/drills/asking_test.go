package drills

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// matrix asks for operations on objects of its own, in a Namespace of its own, so that what comes of it does not hang on what else is in
// the cluster or on what controllers are doing.
type matrix struct {
	t        *testing.T
	admin    rest.Interface
	users    map[string]rest.Interface
	in       string
	examples map[string]map[string]any
	standing map[string]string // objects that every cluster has, by resource, where one of our own would disturb it
	made     map[string]bool   // paths of what was made outside the Namespace
}

// operation is a request for something.
type operation struct {
	verb, path string
	create     bool           // of an object, not of a subresource
	body       map[string]any // nil is what is there, as it is
	connect    bool
	object     string // path of the object that has to be there, empty if none
	collection string
	example    map[string]any // of the object
}

func newMatrix(t *testing.T, w *world) *matrix {
	t.Helper()
	in, err := w.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "matrix-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := w.client.CoreV1().Services(metav1.NamespaceDefault).Get(t.Context(), "kubernetes", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := &matrix{t: t, admin: w.client.RESTClient(), in: in.Name, users: map[string]rest.Interface{}, made: map[string]bool{}, standing: map[string]string{
		"nodes": "node", "namespaces": in.Name, "apiservices.apiregistration.k8s.io": "v1.apps", "servicecidrs.networking.k8s.io": "kubernetes",
		"ipaddresses.networking.k8s.io": service.Spec.ClusterIP,
		"policies.portcullis.dev":       "team",
	}}
	for _, user := range []string{"everywhere", "star", "nobody"} {
		m.users[user] = w.as(user, "system:masters").RESTClient()
	}
	text, err := os.ReadFile("testdata/objects.yaml")
	if err == nil {
		soon := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339) // an exception has to end
		err = yaml.Unmarshal([]byte(strings.NewReplacer("${SOON}", soon, "${NAMESPACE}", in.Name).Replace(string(text))), &m.examples)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.clean)
	return m
}

// clean takes away what was made.
func (m *matrix) clean() {
	ctx := context.WithoutCancel(m.t.Context())
	m.made["/api/v1/namespaces/"+m.in] = true
	for path := range m.made {
		_, _ = m.admin.Patch("application/merge-patch+json").AbsPath(path).Body([]byte(`{"metadata":{"finalizers":null}}`)).DoRaw(ctx)
		if err := m.admin.Delete().AbsPath(path).Do(ctx).Error(); err != nil && !apierrors.IsNotFound(err) {
			m.t.Error(err)
		}
	}
}

// operations are what admission calls the things that the API server lets one do to a resource.
func operations(r metav1.APIResource) (out []string) {
	if slices.Contains([]string{
		"NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions",
	}, r.Kind) {
		return []string{"CONNECT"}
	}
	for _, verb := range []string{"create", "update", "delete"} {
		if slices.Contains(r.Verbs, verb) {
			out = append(out, strings.ToUpper(verb))
		}
	}
	return out
}

// request makes the request for an operation.
func (m *matrix) request(group schema.GroupVersion, r metav1.APIResource, what string) operation {
	m.t.Helper()
	base := "/apis/" + group.String()
	if group.Group == "" {
		base = "/api/" + group.Version
	}
	plural, subresource, _ := strings.Cut(r.Name, "/")
	if r.Namespaced {
		base += "/namespaces/" + m.in
	}
	full := strings.TrimSuffix(plural+"."+group.Group, ".")
	out := operation{collection: base + "/" + plural, example: m.examples[full+"/"+group.Version]}
	if subresource == "" || subresource == "status" { // others have kinds of their own
		out.example = typed(out.example, group, r.Kind)
	}
	if what == "CREATE" && subresource == "" {
		out.verb, out.path, out.body, out.create = "POST", out.collection, out.example, true
		if out.example == nil {
			m.t.Fatalf("testdata/objects.yaml has no example of %s/%s", full, group.Version)
		}
		if r.Name == "bindings" { // which are of Pods
			pods := m.request(group, metav1.APIResource{Name: "pods", Namespaced: true}, "DELETE")
			out.object, out.collection, out.example = pods.object, pods.collection, pods.example
		}
		return out
	}
	name := m.standing[full]
	if name == "" {
		name = (&unstructured.Unstructured{Object: out.example}).GetName()
	}
	if name == "" {
		m.t.Fatalf("testdata/objects.yaml has no example of %s/%s", full, group.Version)
	}
	out.object = out.collection + "/" + name
	out.path = strings.TrimSuffix(out.object+"/"+subresource, "/")
	switch what {
	case "CONNECT":
		out.verb, out.connect = "GET", true
	case "CREATE":
		out.verb, out.body = "POST", m.examples[r.Name+"/"+group.Version]
		if out.body == nil {
			m.t.Fatalf("testdata/objects.yaml has no example of %s/%s", r.Name, group.Version)
		}
	case "UPDATE":
		out.verb = "PUT"
	case "DELETE":
		out.verb = "DELETE"
	}
	return out
}

// sample is a few operations of each sort, all of which a policy on "*/*" is asked about.
func (m *matrix) sample() (out []operation) {
	core := schema.GroupVersion{Version: "v1"}
	for _, r := range []struct{ resource, operation string }{
		{"pods/ephemeralcontainers", "UPDATE"}, {"pods/resize", "UPDATE"}, {"pods/exec", "CONNECT"}, {"pods/eviction", "CREATE"}, {"secrets", "DELETE"},
	} {
		out = append(out, m.request(core, metav1.APIResource{Name: r.resource, Namespaced: true}, r.operation))
	}
	return out
}

// typed says of which kind an example is, where that is known; the path says it, too.
func typed(example map[string]any, group schema.GroupVersion, kind string) map[string]any {
	if example == nil || kind == "" {
		return example
	}
	out := maps.Clone(example)
	out["apiVersion"], out["kind"] = group.String(), kind
	return out
}

// try does one thing as a dry run, again if something else came between, and says whether the user's policy was asked.
func (m *matrix) try(user string, o operation) string {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		what, err := m.ask(user, o)
		if err == nil {
			return what
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s %s by %s: %v", o.verb, o.path, user, err)
		}
	}
}

// ask does it once. The error is one that does not tell: a controller has changed or deleted the object meanwhile, the Namespace is not set
// up yet, or no server has answered in time.
func (m *matrix) ask(user string, o operation) (string, error) {
	if o.object != "" {
		if err := m.ensure(o); err != nil {
			return "", err
		}
	}
	request := m.users[user].Verb(o.verb).AbsPath(o.path)
	if o.connect {
		request.Param("command", "true").Param("ports", "80")
	} else {
		request.Param("dryRun", "All")
	}
	body := o.body
	if o.verb == "PUT" {
		if body = m.read(o.path); body == nil { // there is no reading the subresource
			body = m.read(o.object)
		}
	}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		request.SetHeader("Content-Type", "application/json").Body(text)
	}
	err := request.Do(m.t.Context()).Error()
	switch {
	case err == nil, o.create && apierrors.IsAlreadyExists(err):
		return spared, nil
	case strings.Contains(err.Error(), user+": asked"):
		return asked, nil
	case o.connect && !strings.Contains(err.Error(), "failed calling webhook"): // there is nothing at the other end, which comes after admission
		return spared, nil
	}
	return "", err
}

// ensure makes the object of an operation if it is not there.
func (m *matrix) ensure(o operation) error {
	if found := m.read(o.object); found != nil {
		if (&unstructured.Unstructured{Object: found}).GetDeletionTimestamp() != nil && !strings.HasSuffix(o.object, "/"+m.in) {
			return fmt.Errorf("%s is about to go", o.object)
		}
		return nil
	}
	body, err := json.Marshal(o.example)
	if err != nil {
		return err
	}
	if !strings.Contains(o.object, "/namespaces/") {
		m.made[o.object] = true
	}
	return m.admin.Post().AbsPath(o.collection).SetHeader("Content-Type", "application/json").Body(body).Do(m.t.Context()).Error()
}

// read is what is at a path, nil if there is nothing.
func (m *matrix) read(path string) (out map[string]any) {
	text, err := m.admin.Get().AbsPath(path).DoRaw(m.t.Context())
	if err != nil || json.Unmarshal(text, &out) != nil {
		return nil
	}
	return out
}
