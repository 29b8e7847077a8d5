package status

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// shape is how the entries of a kind are spelled.
type shape struct {
	uid       string // the field with the UID of the object; empty where there is none
	inForce   string // the field that says whether it is in force; empty where there is none
	coded     bool   // errors have code and location; otherwise they have a message alone
	dated     bool   // errors have a time, and entries that of the last change
	typed     bool   // errors have a type
	operation string // what a replica does with such an object, in Gatekeeper's words; empty where entries do not say
}

// The groups of templates, of all kinds of constraints, of mutators, of the Config and of SyncSets.
const (
	templates   = "templates.gatekeeper.sh"
	constraints = "constraints.gatekeeper.sh"
	mutations   = "mutations.gatekeeper.sh"
	configs     = "config.gatekeeper.sh"
	syncSets    = "syncset.gatekeeper.sh"
)

// shapeOf returns how a status is spelled, or false if one of such objects is not written.
func shapeOf(at schema.GroupVersionResource) (shape, bool) {
	switch at.Group {
	case constraints:
		return shape{uid: "constraintUID", inForce: "enforced", coded: true, operation: "webhook"}, true
	case templates:
		return shape{uid: "templateUID", coded: true, operation: "webhook"}, true
	case mutations:
		return shape{uid: "mutatorUID", inForce: "enforced", operation: "mutation-webhook"}, true
	case "expansion.gatekeeper.sh":
		return shape{uid: "templateUID", operation: "webhook"}, true
	case "externaldata.gatekeeper.sh":
		return shape{uid: "providerUID", inForce: "active", typed: true, dated: true, operation: "webhook"}, true
	case configs:
		return shape{uid: "configUID", typed: true, operation: "webhook"}, true
	case syncSets:
		return shape{}, true
	}
	return shape{}, false
}

// policyOf is what the policy that is made of an object is called: that of a constraint, or a mutator.
func policyOf(at schema.GroupVersionResource, kind, name string) string {
	switch at.Group {
	case constraints:
		return strings.ToLower(kind) + "/" + name
	case mutations:
		return kind + "/" + name
	}
	return ""
}
