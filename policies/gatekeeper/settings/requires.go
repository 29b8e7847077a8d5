package settings

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

// clause is one of several ways to have what a template requires: any of its kinds, in any of its versions and groups.
type clause struct {
	Groups   []string `json:"groups"`
	Versions []string `json:"versions"`
	Kinds    []string `json:"kinds"`
}

func (c clause) covers(gvk schema.GroupVersionKind) bool {
	return slices.Contains(c.Groups, gvk.Group) && slices.Contains(c.Versions, gvk.Version) && slices.Contains(c.Kinds, gvk.Kind)
}

// String lists the kinds, "networking.k8s.io/v1 Ingress".
func (c clause) String() string {
	var out []string
	for _, group := range c.Groups {
		for _, version := range c.Versions {
			for _, kind := range c.Kinds {
				out = append(out, schema.GroupVersion{Group: group, Version: version}.String()+" "+kind)
			}
		}
	}
	return strings.Join(out, " or ")
}

// Lacking says what a ConstraintTemplate requires at data.inventory, by its annotation metadata.gatekeeper.sh/requires-sync-data, that is not synced,
// a sentence each. Others than templates lack nothing.
func (s *Settings) Lacking(template *unstructured.Unstructured) (out []string) {
	// Gatekeeper passes over these, which come of YAML that quotes twice.
	text := strings.Trim(template.GetAnnotations()[gatekeeper.RequiresSync], "\n\"")
	if text == "" || template.GetKind() != gatekeeper.TemplateKind {
		return nil
	}
	var all [][]clause
	if err := utiljson.Unmarshal([]byte(text), &all); err != nil {
		return []string{fmt.Sprintf("the annotation %s cannot be read, and says nothing: it is a list of lists of {groups, versions, kinds}", gatekeeper.RequiresSync)}
	}
	for _, ways := range all {
		if len(ways) == 0 || slices.ContainsFunc(s.Synced(), func(gvk schema.GroupVersionKind) bool {
			return slices.ContainsFunc(ways, func(c clause) bool { return c.covers(gvk) })
		}) {
			continue
		}
		var names []string
		for _, way := range ways {
			names = append(names, way.String())
		}
		out = append(out, fmt.Sprintf("it requires %s at data.inventory, and no Config or SyncSet syncs that: to its constraints there are none",
			strings.Join(names, " or ")))
	}
	return out
}

// Notes says what should be known of the documents and is no fault, each a sentence behind file and row: settings that do nothing, and
// templates that look for what is not synced.
func Notes(docs []policies.Document) (out []string) {
	r := Reader{}
	s, _ := r.Read(docs)
	for _, o := range r.good {
		out = append(out, o.notes...)
	}
	for _, d := range docs {
		for _, text := range s.Lacking(d.Object) {
			out = append(out, fmt.Sprintf("%s: %s %s: %s", d.At("metadata", "annotations", gatekeeper.RequiresSync), d.Object.GetKind(), d.Object.GetName(), text))
		}
	}
	return out
}
