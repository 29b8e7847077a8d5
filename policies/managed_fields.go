package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Managed fields are nearly half of a live object, and hardly a policy reads them. They are left out of the input if none of those that are
// asked does, nor takes the whole of something in which they are.

// pathsOf are those at which an object's managed fields are, if the request is the named member of the input.
func pathsOf(request string) [][]string {
	return [][]string{{request, "object", "metadata", "managedFields"}, {request, "oldObject", "metadata", "managedFields"}}
}

// managedFields are where a policy finds them.
func (s Spec) managedFields() [][]string {
	if s.Convention == Gatekeeper {
		return pathsOf("review")
	}
	return pathsOf("request")
}

// notGiven are parameters that the policy is not given. Specs of one Code may differ in them.
func (s Spec) notGiven() [][]string {
	if s.Code != "" {
		return nil
	}
	if given, ok := s.Parameters.(ast.Object); ok {
		if templates := given.Get(ast.InternedTerm(PodTemplates)); templates != nil && !templates.Equal(ast.InternedEmptyObject) {
			return nil
		}
	}
	return [][]string{{"parameters", PodTemplates}}
}

// ignoreManagedFields reports whether none of the rules to ask reads them.
func ignoreManagedFields(rules []asked) bool {
	return !slices.ContainsFunc(rules, func(a asked) bool { return !a.query.ignores })
}

// place is where the builder is on the way to managed fields.
type place uint8

const (
	elsewhere place = iota
	atReview
	atRequest
	atObject
	atMetadata
	atManagedFields
)

// below is where a member is.
func (p place) below(name []byte) place {
	switch {
	case p == atReview && string(name) == "request":
		return atRequest
	case p == atRequest && (string(name) == "object" || string(name) == "oldObject"):
		return atObject
	case p == atObject && string(name) == "metadata":
		return atMetadata
	case p == atMetadata && string(name) == "managedFields":
		return atManagedFields
	}
	return elsewhere
}
