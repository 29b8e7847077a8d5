package policies

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// departure is what an update of an object that is being deleted comes to.
type departure uint8

const (
	// stays: the object is not being deleted, or the update changes something of it that may still have an effect.
	stays departure = iota
	// leaves: the update takes finalizers away, and changes nothing else.
	leaves
	// reports: beside that, it changes the status.
	reports
)

// letsGo reports whether a native policy is not asked about an update, because it could only keep the object from going: the update is a
// departure, and if that changes the status, the policy is not about the status by name. To go, an object need not be as a policy
// that came later wants it, and neither need the namespace that waits for it.
//
// Constraints are asked, as Gatekeeper asks them.
func (d departure) letsGo(a asked, t review.Target) bool {
	if d == stays || a.spec.Convention == Gatekeeper {
		return false
	}
	status := Resource{Group: t.Group, Resource: t.Resource, Subresource: "status"}
	return d == leaves || !slices.Contains(a.spec.Match.Resources, status)
}

// departureOf reads what the update comes to. Only the old object, which the API server has stored, is believed to be deleted; of all that
// is not sure to be without effect, as labels, annotations and the spec, no change is let pass. What cannot be read stays.
func departureOf(req *review.Request) departure {
	// Decoding is dear, and hardly any object is being deleted.
	if req.Stage != review.Validate || req.Verb != "update" || !bytes.Contains(req.OldObject, []byte(`"deletionTimestamp"`)) {
		return stays
	}
	before, wasRead := remains(req, req.OldObject)
	after, isRead := remains(req, req.Object)
	if !wasRead || !isRead || !before.deleted || !subset(after.finalizers, before.finalizers) || !reflect.DeepEqual(before.rest, after.rest) {
		return stays
	}
	if !reflect.DeepEqual(before.status, after.status) {
		return reports
	}
	return leaves
}

// parting is an object, taken apart by what an update of it may change while it goes.
type parting struct {
	deleted    bool
	finalizers []any
	status     any
	rest       map[string]any
}

// remains takes an object apart. What the API server itself counts and notes is in none of the parts.
func remains(req *review.Request, object []byte) (p parting, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber() // two that differ must not be rounded to the same
	if err := decoder.Decode(&p.rest); err != nil {
		return p, false
	}
	metadata, ok := p.rest["metadata"].(map[string]any)
	if !ok {
		return p, false
	}
	p.deleted = metadata["deletionTimestamp"] != nil
	p.status = p.rest["status"]
	delete(p.rest, "status")
	for _, name := range []string{"managedFields", "resourceVersion", "generation"} {
		delete(metadata, name)
	}
	if ok = p.takeFinalizers(metadata); !ok {
		return p, false
	}
	if spec, has := p.rest["spec"].(map[string]any); has && isNamespace(req.Target) {
		return p, p.takeFinalizers(spec) // it has a list of its own, which namespaces/finalize empties
	}
	return p, true
}

// takeFinalizers moves the finalizers out of what has them.
func (p *parting) takeFinalizers(from map[string]any) bool {
	list, isList := from["finalizers"].([]any)
	if from["finalizers"] != nil && !isList {
		return false
	}
	delete(from, "finalizers")
	p.finalizers = append(p.finalizers, list...)
	return true
}

// subset reports whether each of some is among all; all of them are texts.
func subset(some, all []any) bool {
	return !slices.ContainsFunc(some, func(one any) bool {
		text, ok := one.(string)
		return !ok || !slices.ContainsFunc(all, func(other any) bool { return other == text })
	})
}
