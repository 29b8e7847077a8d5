package source

import (
	"encoding/json"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// The groups of Gatekeeper's objects of which a source must know more than that they are read.
const (
	templateGroup   = "templates.gatekeeper.sh"
	constraintGroup = "constraints.gatekeeper.sh"
)

// gatekeeperKind is a kind of Gatekeeper's that it has by itself; those of constraints are made by templates.
type gatekeeperKind struct{ group, kind string }

// name is what messages call objects of the kind, and how it is looked up.
func (k gatekeeperKind) name() string { return strings.ToLower(k.kind) }

// theTemplates is the kind of templates, the first of gatekeeperKinds.
func theTemplates() gatekeeperKind { return gatekeeperKind{templateGroup, "ConstraintTemplate"} }

// gatekeeperKinds are all of them, templates first.
func gatekeeperKinds() []gatekeeperKind {
	return []gatekeeperKind{
		theTemplates(),
		{"mutations.gatekeeper.sh", "Assign"},
		{"mutations.gatekeeper.sh", "AssignMetadata"},
		{"mutations.gatekeeper.sh", "AssignImage"},
		{"mutations.gatekeeper.sh", "ModifySet"},
		{"expansion.gatekeeper.sh", "ExpansionTemplate"},
		{"externaldata.gatekeeper.sh", "Provider"},
		{"config.gatekeeper.sh", "Config"},
		{"syncset.gatekeeper.sh", "SyncSet"},
	}
}

// GatekeeperFileName is what messages call an object of Gatekeeper's: "constrainttemplate/NAME", and a constraint by its kind and name, as its
// policy is called.
func GatekeeperFileName(kind, name string) string { return strings.ToLower(kind) + "/" + name }

func gatekeeperFileName(u *unstructured.Unstructured) string {
	name := u.GetName()
	if namespace := u.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return GatekeeperFileName(u.GetKind(), name)
}

// gatekeeperFile is an object of Gatekeeper's as a file: on one line, so that row 1 of the Rego in it is row 1. Of its labels and annotations only
// a template's are read.
func gatekeeperFile(u *unstructured.Unstructured) native.File {
	metadata := map[string]any{"name": u.GetName()}
	if namespace := u.GetNamespace(); namespace != "" {
		metadata["namespace"] = namespace
	}
	if group, _, _ := strings.Cut(u.GetAPIVersion(), "/"); group == templateGroup {
		annotations := maps.Clone(u.GetAnnotations())
		delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		if len(annotations) > 0 {
			metadata["annotations"] = annotations
		}
		if labels := u.GetLabels(); len(labels) > 0 {
			metadata["labels"] = labels
		}
	}
	object := map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": metadata}
	if spec, given := u.Object["spec"]; given {
		object["spec"] = spec
	}
	text, err := json.Marshal(object)
	if err != nil { // what came as JSON can be written as JSON
		text = []byte("{}")
	}
	return native.File{Name: gatekeeperFileName(u), Text: text, Format: native.YAMLText}
}

// gatekeeperDocuments are the documents of files made by gatekeeperFile.
func gatekeeperDocuments(files []native.File) []documents.Document {
	out := make([]documents.Document, len(files))
	for i, file := range files {
		out[i] = documents.Of(file.Name, file.Text)
	}
	return out
}
