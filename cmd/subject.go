package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// subject is one document to judge.
type subject struct {
	file string
	row  int
	head head
	text []byte // JSON
	body []byte // the review to ask: text itself, or for a manifest an AdmissionReview around it
	err  error  // why it cannot be judged; it names file and row
}

const stdinName = "standard input"

// head is what every object says of itself.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// at is the place of a subject in messages: file and row, or the file alone when it could not be told which row.
func (s subject) at() string {
	if s.row == 0 {
		return s.file
	}
	return fmt.Sprintf("%s:%d", s.file, s.row)
}

// subjectsOf reads a document; a List is its items.
func subjectsOf(s subject) []subject {
	err := json.Unmarshal(s.text, &s.head)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		name := wrong.Field
		if name == "metadata.labels" && wrong.Type.Kind() == reflect.String {
			name = "an entry of " + name
		}
		s.err = fmt.Errorf("%s: %s", s.at(), native.Mistyped(name, wrong))
		return []subject{s}
	}
	if err != nil || s.head.APIVersion == "" || s.head.Kind == "" {
		s.err = fmt.Errorf("%s: the document is not a Kubernetes object: it needs apiVersion and kind", s.at())
		return []subject{s}
	}
	if !strings.HasSuffix(s.head.Kind, "List") || s.head.Items == nil {
		if err := s.head.checkReview(s.text); err != nil {
			s.err = fmt.Errorf("%s: %w", s.at(), err)
		}
		return []subject{s}
	}
	var out []subject
	for _, item := range s.head.Items {
		out = append(out, subjectsOf(subject{file: s.file, row: s.row, text: item})...)
	}
	return out
}

// ask puts the manifest into the review that the API server would send. What is given as old is what it replaces.
func (f *reviewFlags) ask(s *subject, old *subject) error {
	if s.body = s.text; s.head.isReview() {
		return nil
	}
	gv, err := schema.ParseGroupVersion(s.head.APIVersion)
	if err != nil {
		return err
	}
	namespace := f.place(*s)
	object, err := placed(*s, namespace)
	if err != nil {
		return err
	}
	plural := registration.GuessPlural(gv.WithKind(s.head.Kind).GroupKind())
	kind := map[string]string{"group": gv.Group, "version": gv.Version, "kind": s.head.Kind}
	resource := map[string]string{"group": gv.Group, "version": gv.Version, "resource": plural.Resource}
	if gv.Group == "" && s.head.Kind == "Namespace" {
		namespace = s.head.Metadata.Name
	}
	request := map[string]any{
		"uid": "offline", "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
		"name": s.head.Metadata.Name, "namespace": namespace, "operation": f.operation,
		"userInfo": map[string]any{"username": f.user, "groups": append([]string{"system:authenticated"}, f.groups...)},
		"object":   object, "oldObject": nil, "dryRun": true, "options": nil,
	}
	switch f.operation {
	case "DELETE":
		request["object"], request["oldObject"] = nil, object
	case "UPDATE":
		request["oldObject"] = object
		if old == nil {
			break
		}
		if request["oldObject"], err = f.replaced(*s, *old, namespace); err != nil {
			return err
		}
	}
	s.body, err = json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
	return err
}

// place is the namespace in which a manifest is put; "" for what is in none.
func (f *reviewFlags) place(s subject) string {
	group, _, found := strings.Cut(s.head.APIVersion, "/")
	if !found {
		group = ""
	}
	if s.head.Metadata.Namespace == "" && !clusterScoped(group, s.head.Kind) {
		return f.namespace
	}
	return s.head.Metadata.Namespace
}

// placed is the object with its namespace in it, where the API server puts it before it asks.
func placed(s subject, namespace string) (json.RawMessage, error) {
	if namespace == "" || s.head.Metadata.Namespace != "" {
		return s.text, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(s.text, &object); err != nil {
		return nil, err
	}
	metadata := map[string]json.RawMessage{}
	if text := object["metadata"]; len(text) > 0 && string(text) != "null" {
		if err := json.Unmarshal(text, &metadata); err != nil {
			return nil, err
		}
	}
	var err error
	if metadata["namespace"], err = json.Marshal(namespace); err != nil {
		return nil, err
	}
	if object["metadata"], err = json.Marshal(metadata); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

// replaced is the object that the subject replaces, if it is the same one in an earlier state.
func (f *reviewFlags) replaced(s, old subject, namespace string) (json.RawMessage, error) {
	h := old.head
	if h.APIVersion != s.head.APIVersion || h.Kind != s.head.Kind || h.Metadata.Name != s.head.Metadata.Name ||
		(h.Metadata.Namespace != "" && h.Metadata.Namespace != namespace) {
		return nil, fmt.Errorf("--old-object %s is another object, %s %s, than %s %s, which is to replace it; "+
			"apiVersion, kind, namespace and name stay the same in an update",
			f.oldObject, h.APIVersion, old.about(), s.head.APIVersion, s.about())
	}
	return placed(old, namespace)
}

// clusterScoped reports whether a kind has no namespace. Of kinds that are not built in it knows nothing; their manifests must name
// their namespace.
func clusterScoped(group, kind string) bool {
	switch group {
	case "":
		return kind == "Namespace" || kind == "Node" || kind == "PersistentVolume" || kind == "ComponentStatus"
	case "apps", "autoscaling", "batch", "discovery.k8s.io", "events.k8s.io", "policy", "coordination.k8s.io":
		return false
	case "networking.k8s.io":
		return kind == "IngressClass" || kind == "IPAddress" || kind == "ServiceCIDR"
	case "rbac.authorization.k8s.io":
		return strings.HasPrefix(kind, "Cluster")
	case "storage.k8s.io":
		return kind != "CSIStorageCapacity"
	case "resource.k8s.io":
		return !strings.HasPrefix(kind, "ResourceClaim")
	}
	return true
}

// namespacesAmong lets policies know the Namespaces among the documents, as the cluster's would be known.
func namespacesAmong(subjects []subject) policies.Namespaces {
	known := map[string]policies.Namespace{}
	for _, s := range subjects {
		if s.head.APIVersion == "v1" && s.head.Kind == "Namespace" {
			if value, err := policies.ParseValue(s.text); err == nil {
				known[s.head.Metadata.Name] = policies.Namespace{Labels: s.head.Metadata.Labels, Object: value}
			}
		}
	}
	return func(name string) (policies.Namespace, bool) {
		ns, ok := known[name]
		return ns, ok
	}
}

// dialects lists the stages at which a document of that kind is judged, in the API server's order.
func (h head) dialects() []review.Dialect {
	switch h.Kind {
	case "TokenReview":
		return []review.Dialect{review.DialectAuthenticate}
	case "SubjectAccessReview":
		return []review.Dialect{review.DialectGuard, review.DialectGrant}
	case "ImageReview":
		return []review.Dialect{review.DialectImage}
	default:
		return []review.Dialect{review.DialectMutate, review.DialectValidate}
	}
}
