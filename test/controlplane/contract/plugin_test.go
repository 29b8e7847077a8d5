package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // for object
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/plugin/pkg/admission/imagepolicy"
)

// imagePolicyWebhook is the admission plugin of that name, in a chain as in an API server: it is asked only about operations it handles.
// What it is told to remember it remembers for longer than any test runs.
func imagePolicyWebhook(t *testing.T, s *server, defaultAllow bool) admission.ValidationInterface {
	t.Helper()
	// As in docs/serving.md.
	kubeconfig := filepath.Join(t.TempDir(), "image.kubeconfig")
	must(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: portcullis
  cluster: {server: "https://%s/image", certificate-authority: %q}
users: [{name: apiserver, user: {}}]
contexts: [{name: portcullis, context: {cluster: portcullis, user: apiserver}}]
current-context: portcullis
`, s.listen, s.caFile), 0o600))
	plugin, err := imagepolicy.NewImagePolicyWebhook(strings.NewReader(fmt.Sprintf(
		"imagePolicy: {kubeConfigFile: %q, allowTTL: 1800, denyTTL: 1800, retryBackoff: 1, defaultAllow: %t}", kubeconfig, defaultAllow)))
	must(t, err)
	return admission.NewChainHandler(plugin)
}

// request is what somebody asks of an API server. The zero value of every field but object is what most tests mean.
type request struct {
	operation   admission.Operation // CREATE
	resource    string              // pods
	subresource string
	namespace   string // shop
	object, old string // YAML
}

// attributes is the request as an admission plugin sees it. It keeps the annotations that plugins add for the audit event.
type attributes struct {
	admission.Attributes
	annotations map[string]string
}

func (a *attributes) AddAnnotation(key, value string) error {
	err := a.Attributes.AddAnnotation(key, value)
	if err == nil {
		a.annotations[key] = value
	}
	return err
}

func (r request) attributes(t *testing.T) *attributes {
	t.Helper()
	if r.operation == "" {
		r.operation = admission.Create
	}
	if r.resource == "" {
		r.resource = "pods"
	}
	if r.namespace == "" {
		r.namespace = "shop"
	}
	group, kind := "", "Pod"
	if r.resource == "deployments" {
		group, kind = "apps", "Deployment"
	}
	version := schema.GroupVersion{Group: group, Version: "v1"}
	options := map[admission.Operation]runtime.Object{
		admission.Create: &metav1.CreateOptions{}, admission.Update: &metav1.UpdateOptions{}, admission.Delete: &metav1.DeleteOptions{},
	}
	return &attributes{
		Attributes: admission.NewAttributesRecord(object(t, r.object), object(t, r.old), version.WithKind(kind), r.namespace, "web",
			version.WithResource(r.resource), r.subresource, r.operation, options[r.operation], false, &user.DefaultInfo{Name: "alice"}),
		annotations: map[string]string{},
	}
}

// object reads YAML as an API server does, defaults filled in.
func object(t *testing.T, text string) runtime.Object {
	t.Helper()
	if text == "" {
		return nil
	}
	// Without the dashes it would be taken for JSON, for its brace.
	read, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), []byte("--- "+text))
	must(t, err)
	return read
}

// pod is one with the name web and what is given of its spec, in YAML on one line.
func pod(spec string) string {
	return "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {" + spec + "}}"
}

// running is a Pod with a container for each image.
func running(images ...string) string { return pod(list("containers", images...)) }

func list(field string, images ...string) string {
	var containers []string
	for i, image := range images {
		containers = append(containers, fmt.Sprintf("{name: %c, image: %q}", 'a'+i, image))
	}
	return field + ": [" + strings.Join(containers, ", ") + "]"
}

// sentence is what somebody reads whose request is refused; nothing if it is not.
func sentence(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
