package source

import (
	"encoding/json"
	"maps"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// ConfigMapSelector selects the ConfigMaps whose data are policies, as users of kube-mgmt label them.
const ConfigMapSelector = "openpolicyagent.org/policy=rego"

func (o *Objects) policies(changed chan<- struct{}) *kind {
	return (&kind{
		client: o.Client, resource: resource("policies"), custom: true, changed: changed,
		files: func(u *unstructured.Unstructured) []native.File { return []native.File{policyFile(u)} },
	}).watched()
}

func (o *Objects) exceptions(changed chan<- struct{}) *kind {
	return (&kind{
		client: o.Client, resource: resource("policyexceptions"), custom: true, changed: changed,
		files: func(u *unstructured.Unstructured) []native.File { return []native.File{exceptionFile(u)} },
	}).watched()
}

func (o *Objects) configMaps(namespace string, changed chan<- struct{}) *kind {
	return (&kind{
		client: o.Client, resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, changed: changed,
		namespace: namespace, selector: ConfigMapSelector, files: configMapFiles,
	}).watched()
}

func resource(plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: plural}
}

// PolicyFileName is what messages call the Policy of that name.
func PolicyFileName(name string) string { return "policy/" + name }

func policyFile(u *unstructured.Unstructured) native.File {
	return document(PolicyFileName(u.GetName()), u)
}

func exceptionFile(u *unstructured.Unstructured) native.File {
	return document(exceptionFileName(u), u)
}

func exceptionFileName(u *unstructured.Unstructured) string {
	return "policyexception/" + u.GetNamespace() + "/" + u.GetName()
}

// document is an object as a file: on one line, so that row 1 of the Rego in it is row 1, and without what does not make it what it is.
func document(name string, u *unstructured.Unstructured) native.File {
	metadata := map[string]any{"name": u.GetName()}
	if namespace := u.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": metadata, "spec": u.Object["spec"],
	})
	if err != nil { // what came as JSON can be written as JSON; a file that is not YAML would be a fault
		text = []byte("{")
	}
	return native.File{Name: name, Text: text, Format: native.YAMLText}
}

// configMapFiles makes a file of every key. To kube-mgmt every key is Rego, whatever it is called.
func configMapFiles(u *unstructured.Unstructured) []native.File {
	data, _, _ := unstructured.NestedStringMap(u.Object, "data") // the API server holds it to its type
	var out []native.File
	for _, key := range slices.Sorted(maps.Keys(data)) {
		file := native.File{Name: configMapFileName(u, key), Text: []byte(data[key])}
		if !slices.Contains([]string{".rego", ".yaml", ".yml", ".json"}, path.Ext(key)) {
			file.Format = native.RegoText
		}
		out = append(out, file)
	}
	return out
}

func configMapFileName(u *unstructured.Unstructured, key string) string {
	return "configmap/" + u.GetNamespace() + "/" + u.GetName() + "/" + key
}
