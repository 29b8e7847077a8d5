package gatekeeper

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// constraintSpec is spec of a constraint. Its parameters are the template's.
type constraintSpec struct {
	EnforcementAction        string          `json:"enforcementAction"`
	ScopedEnforcementActions []scopedAction  `json:"scopedEnforcementActions"`
	Match                    match.Criteria  `json:"match"`
	Parameters               json.RawMessage `json:"parameters"`
}

// idOf is what a constraint's policy is called.
func idOf(u *unit) string { return strings.ToLower(u.object.GetKind()) + "/" + u.object.GetName() }

// spec makes a policy of a constraint and its template. The notes are sentences behind file and row.
func (r *Reader) spec(u *unit, t *Template) (out policies.Spec, notes []string, err error) {
	if u.version != "v1beta1" && u.version != "v1alpha1" {
		return out, nil, under(fmt.Errorf("version %s of %s is none of v1beta1 and v1alpha1", u.version, constraintGroup), "apiVersion")
	}
	if u.object.GetKind() != t.Kind {
		return out, nil, under(fmt.Errorf("the kind is spelled %s", t.Kind), "kind")
	}
	if wrong := validation.IsDNS1123Subdomain(u.object.GetName()); len(wrong) > 0 {
		return out, nil, under(errors.New("metadata.name is not one of an object: lower case letters, digits, dashes and dots"), "metadata", "name")
	}
	content := u.object.DeepCopy().Object
	delete(content, "status")
	if err := t.accepts.admit(content); err != nil {
		return out, nil, err
	}
	given, err := json.Marshal(content["spec"])
	if err != nil {
		return out, nil, err
	}
	read := constraintSpec{EnforcementAction: "deny"}
	if err := utiljson.Unmarshal(given, &read); err != nil {
		return out, nil, mistyped(err)
	}
	matched, err := read.Match.Compile()
	if err != nil {
		path := []string{"spec", "match"}
		if wrong, ok := errors.AsType[*match.Error](err); ok {
			path = append(path, wrong.Path...)
		}
		return out, nil, under(err, path...)
	}
	out = policies.Spec{
		ID: idOf(u), Title: t.title, Description: t.description, File: u.doc.File, Row: u.row(),
		Convention: policies.Gatekeeper, Code: t.code, Compiled: t.policy, Package: entryPackage(), Modules: t.modules, Source: t.texts,
		Rules:   []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}},
		Match:   policies.Match{Operations: r.operations(t), Kinds: kindsOf(read.Match.Kinds), Further: matcher{matched}},
		Lenient: true,
	}
	enforcement, by, found, err := enforce(read)
	if err != nil {
		return out, nil, err
	}
	for _, note := range found {
		notes = append(notes, fmt.Sprintf("%s: %s %s: %v", u.at(note.path...), u.object.GetKind(), u.object.GetName(), note.err))
	}
	out.Enforcement, out.ByOrigin, out.OnError = enforcement, by, onError(enforcement)
	if len(read.Parameters) == 0 {
		read.Parameters = json.RawMessage("{}")
	}
	if out.Parameters, err = policies.ParseValue(read.Parameters); err != nil {
		return out, nil, under(fmt.Errorf("spec.parameters: %w", err), "spec", "parameters")
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n%s\n%q\n%s", out.ID, t.code, t.title, t.description, out.Match.Operations, given)
	out.Digest = hex.EncodeToString(sum.Sum(nil))
	return out, notes, nil
}

// operations are those at which the constraints of a template are asked; none are all.
func (r *Reader) operations(t *Template) (out []string) {
	if r.Operations == nil {
		return nil
	}
	given := r.Operations
	if len(t.operations) > 0 {
		given = t.operations
	}
	for _, operation := range given {
		if operation == "*" {
			return nil
		}
		out = append(out, strings.ToLower(operation))
	}
	return out
}

// kindsOf are the kinds by which a request finds the constraint.
func kindsOf(given []match.Kinds) (out []policies.GroupKind) {
	orAny := func(list []string) []string {
		if len(list) == 0 {
			return []string{"*"}
		}
		return list
	}
	for _, entry := range given {
		for _, group := range orAny(entry.APIGroups) {
			for _, kind := range orAny(entry.Kinds) {
				out = append(out, policies.GroupKind{Group: group, Kind: kind})
			}
		}
	}
	return out
}
