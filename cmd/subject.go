package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// subject is one document to judge.
type subject struct {
	file string
	row  int
	head head
	text []byte // JSON
	body []byte // the review to ask: text itself, or for a manifest an AdmissionReview around it
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

func (s subject) at() string { return fmt.Sprintf("%s:%d", s.file, s.row) }

// isReview reports whether the document is a question itself.
func (h head) isReview() bool {
	group, _, _ := strings.Cut(h.APIVersion, "/")
	switch group + " " + h.Kind {
	case "admission.k8s.io AdmissionReview", "authentication.k8s.io TokenReview",
		"authorization.k8s.io SubjectAccessReview", "imagepolicy.k8s.io ImageReview":
		return true
	}
	return false
}

// read reads all files the flags name.
func (f *reviewFlags) read(stdin io.Reader) ([]subject, error) {
	var old []byte
	if f.oldObject != "" {
		found, _, err := readFile(f.oldObject, stdin)
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("%s: --old-object takes a file with one document", f.oldObject)
		}
		old = found[0].text
	}
	files, err := filesOf(f.files)
	if err != nil {
		return nil, err
	}
	var out []subject
	documents := 0 // an empty List is one, and the answer of a cluster that has nothing of the kind
	for _, name := range files {
		found, n, err := readFile(name, stdin)
		if err != nil {
			return nil, err
		}
		if name == "-" && n == 0 { // whatever else there is: what should have been piped in was not
			return nil, fmt.Errorf("there is nothing to judge: no document in %s", stdinName)
		}
		out, documents = append(out, found...), documents+n
	}
	if documents == 0 {
		return nil, fmt.Errorf("there is nothing to judge: no document in %s", strings.Join(f.files, ", "))
	}
	for i := range out {
		s := &out[i]
		if s.body = s.text; !s.head.isReview() {
			body, err := f.admissionReview(*s, old)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.at(), err)
			}
			s.body = body
		}
	}
	return out, nil
}

// filesOf puts the manifests of a directory, in the order of their names, in its place. Directories in it are left alone, as kubectl does.
func filesOf(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
			out = append(out, name) // what is wrong with it is found out when it is read
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, err
		}
		before := len(out)
		for _, entry := range entries {
			switch filepath.Ext(entry.Name()) {
			case ".yaml", ".yml", ".json":
				if !entry.IsDir() {
					out = append(out, filepath.Join(name, entry.Name()))
				}
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("there is no .yaml, .yml or .json file in the directory %s; those in directories below are not read", name)
		}
	}
	return out, nil
}

// readFile reads the documents of a YAML or JSON file, and counts them; a List is its items.
func readFile(name string, stdin io.Reader) (out []subject, count int, err error) {
	var text []byte
	if name == "-" {
		name = stdinName
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, 0, err
	}
	documents, err := native.Documents(native.File{Name: name, Text: text})
	if err != nil {
		return nil, 0, err
	}
	for _, doc := range documents {
		found, err := subjectsOf(subject{file: name, row: doc.Row, text: doc.JSON})
		if err != nil {
			return nil, 0, err
		}
		out = append(out, found...)
	}
	return out, len(documents), nil
}

func subjectsOf(s subject) ([]subject, error) {
	err := json.Unmarshal(s.text, &s.head)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		name := wrong.Field
		if name == "metadata.labels" && wrong.Type.Kind() == reflect.String {
			name = "an entry of " + name
		}
		return nil, fmt.Errorf("%s: %s", s.at(), native.Mistyped(name, wrong))
	}
	if err != nil || s.head.APIVersion == "" || s.head.Kind == "" {
		return nil, fmt.Errorf("%s: the document is not a Kubernetes object: it needs apiVersion and kind", s.at())
	}
	if !strings.HasSuffix(s.head.Kind, "List") || s.head.Items == nil {
		return []subject{s}, nil
	}
	var out []subject
	for _, item := range s.head.Items {
		found, err := subjectsOf(subject{file: s.file, row: s.row, text: item})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// admissionReview spells the question the API server would ask about a manifest.
func (f *reviewFlags) admissionReview(s subject, old []byte) ([]byte, error) {
	gv, err := schema.ParseGroupVersion(s.head.APIVersion)
	if err != nil {
		return nil, err
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(s.head.Kind))
	kind := map[string]string{"group": gv.Group, "version": gv.Version, "kind": s.head.Kind}
	resource := map[string]string{"group": gv.Group, "version": gv.Version, "resource": plural.Resource}
	namespace := s.namespace()
	if gv.Group == "" && s.head.Kind == "Namespace" {
		namespace = s.head.Metadata.Name
	}
	request := map[string]any{
		"uid": "offline", "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
		"name": s.head.Metadata.Name, "namespace": namespace, "operation": f.operation,
		"userInfo": map[string]any{"username": f.user, "groups": append([]string{"system:authenticated"}, f.groups...)},
		"object":   json.RawMessage(s.text), "oldObject": nil, "dryRun": true, "options": nil,
	}
	switch f.operation {
	case "DELETE":
		request["object"], request["oldObject"] = nil, json.RawMessage(s.text)
	case "UPDATE":
		if request["oldObject"] = json.RawMessage(s.text); old != nil {
			request["oldObject"] = json.RawMessage(old)
		}
	}
	return json.Marshal(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}

// namespace is that of a manifest; one that should name its namespace and does not is in "default", as kubectl would have it.
func (s subject) namespace() string {
	group, _, found := strings.Cut(s.head.APIVersion, "/")
	if !found {
		group = ""
	}
	if s.head.Metadata.Namespace == "" && !clusterScoped(group, s.head.Kind) {
		return "default"
	}
	return s.head.Metadata.Namespace
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
