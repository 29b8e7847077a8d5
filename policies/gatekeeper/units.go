package gatekeeper

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
)

// The groups of Gatekeeper's objects.
const (
	templateGroup   = "templates.gatekeeper.sh"
	constraintGroup = "constraints.gatekeeper.sh"
	suffix          = ".gatekeeper.sh"
)

// TemplateKind is the kind of templates.
const TemplateKind = "ConstraintTemplate"

// RequiresSync is the annotation by which a template says which kinds it looks for at data.inventory.
const RequiresSync = "metadata.gatekeeper.sh/requires-sync-data"

// beside are the kinds that are neither templates nor constraints, by group: they are handed on.
func beside(group string) []string {
	switch group {
	case "mutations.gatekeeper.sh":
		return []string{"Assign", "AssignMetadata", "AssignImage", "ModifySet"}
	case "expansion.gatekeeper.sh":
		return []string{"ExpansionTemplate"}
	case "config.gatekeeper.sh":
		return []string{"Config"}
	case "syncset.gatekeeper.sh":
		return []string{"SyncSet"}
	case "externaldata.gatekeeper.sh":
		return []string{"Provider"}
	}
	return nil
}

// passed are the groups of what may lie beside policies and is none of a server's business: suites, and what Gatekeeper writes itself.
func passed(group string) bool {
	return slices.Contains([]string{"test.gatekeeper.sh", "status.gatekeeper.sh", "connection.gatekeeper.sh"}, group)
}

// Concerns reports whether objects of an apiVersion are policies, or go with them, rather than what policies are about.
func Concerns(apiVersion string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	return group == templateGroup || group == constraintGroup || beside(group) != nil
}

// unit is one object of Gatekeeper's: a document, or an item of one that is a List.
type unit struct {
	doc            documents.Document
	item           []string // where in the document it is; nil if it is the document
	object         *unstructured.Unstructured
	group, version string
}

// rows finds places in the object. It reads the document again, so it is only asked where a place is told.
func (u *unit) rows() documents.Rows { return u.doc.Rows().Below(u.item...) }

// at is the place of the member under a path.
func (u *unit) at(path ...string) string { return u.rows().At(path...) }

// row is that of the object's first line.
func (u *unit) row() int {
	if u.item == nil {
		return u.doc.Row
	}
	return u.rows().Row()
}

func (u *unit) document() policies.Document {
	return policies.Document{File: u.doc.File, Row: u.row(), Object: u.object, At: u.at}
}

// unitsOf lists what a document has of Gatekeeper's. Other documents have nothing.
func unitsOf(doc documents.Document) ([]*unit, error) {
	var content any
	_ = utiljson.Unmarshal(doc.JSON, &content) // what cannot be read is nothing of Gatekeeper's
	object, ok := content.(map[string]any)
	if !ok {
		return nil, nil
	}
	items, isList := object["items"].([]any)
	if kind, _ := object["kind"].(string); !isList || !strings.HasSuffix(kind, "List") {
		u, err := unitOf(doc, nil, object)
		if u == nil {
			return nil, err
		}
		return []*unit{u}, nil
	}
	var out []*unit
	for i, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			continue
		}
		u, err := unitOf(doc, []string{"items", strconv.Itoa(i)}, object)
		if err != nil {
			return out, err
		}
		if u != nil {
			out = append(out, u)
		}
	}
	return out, nil
}

// unitOf returns the object if it is one of Gatekeeper's, nil if it is not, and an error if it is of none of the kinds there are.
func unitOf(doc documents.Document, item []string, content map[string]any) (*unit, error) {
	apiVersion, _ := content["apiVersion"].(string)
	kind, _ := content["kind"].(string)
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok || !strings.HasSuffix(group, suffix) || passed(group) {
		return nil, nil
	}
	u := &unit{doc: doc, item: item, object: &unstructured.Unstructured{Object: content}, group: group, version: version}
	kinds := beside(group)
	switch group {
	case templateGroup:
		kinds = []string{TemplateKind}
	case constraintGroup:
		kinds = []string{kind}
	}
	if kinds == nil {
		return nil, fmt.Errorf("%s: apiVersion %s is none of Gatekeeper's; constraints are %s/v1beta1, templates %s/v1",
			u.at("apiVersion"), apiVersion, constraintGroup, templateGroup)
	}
	if kind == "" || !slices.Contains(kinds, kind) {
		return nil, fmt.Errorf("%s: %s has no kind %q; it has %s", u.at("kind"), group, kind, strings.Join(kinds, ", "))
	}
	metadata, _ := content["metadata"].(map[string]any)
	if name, _ := metadata["name"].(string); name == "" {
		return nil, fmt.Errorf("%s: the %s has no metadata.name", u.at("metadata"), kind)
	}
	return u, nil
}
