package policies

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// External is who answers the calls of external_data, by which policies of the Gatekeeper convention ask somebody over the network. It is the
// one way out that policies have. It is safe for concurrent use.
type External interface {
	// Begin returns who answers the calls of all policies in one review: equal calls are one.
	Begin() language.ExternalData
	// Revision names who is asked: equal for those that ask the same.
	Revision() string
}

// WithExternal lets policies of the Gatekeeper convention call external_data. Without it, or with nil, those that call it are faulty.
func WithExternal(external External) Option { return func(s *Set) { s.external = external } }

// externalOf is what options say of External.
func externalOf(options []Option) External {
	var s Set
	for _, option := range options {
		option(&s)
	}
	return s.external
}

// unprovided takes out the policies that call external_data where there is nobody to call.
func unprovided(compiled []*Policy, external External) (left []*Policy, faults Faults) {
	if external != nil {
		return compiled, nil
	}
	for _, policy := range compiled {
		if policy == nil || policy.calls == nil {
			left = append(left, policy)
			continue
		}
		faults = append(faults, Fault{File: policy.spec.File, Policy: policy.spec.ID, listed: policy.spec.listed, Err: fmt.Errorf(
			"%s:%d: %s is called, and no Provider is configured; add the Provider that it names, or take the call out",
			policy.calls.File, policy.calls.Row, language.ExternalDataName)})
	}
	return left, faults
}

// callOf returns where a function is first called in modules, or nil.
func callOf(modules []*ast.Module, name string) (at *ast.Location) {
	for _, module := range modules {
		for _, rule := range module.Rules {
			ast.WalkTerms(rule, func(term *ast.Term) bool {
				if ref, ok := term.Value.(ast.Ref); ok && at == nil && ref.String() == name {
					if at = term.Location; at == nil {
						at = rule.Location
					}
				}
				return at != nil
			})
		}
	}
	return at
}
