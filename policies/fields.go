package policies

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/fields"
	"github.com/portcullis-dev/portcullis/review"
)

// PodTemplates is the parameter that says where custom resources have their Pod template, "spec.template" by "rollouts.argoproj.io". Helper
// packages may read it: a Spec that has it shares none of them.
const PodTemplates = fields.PodTemplates

// checkFields returns an error if the policy's own package reads a field that nothing has. A policy written for OPA may count on that being
// undefined.
func (s Spec) checkFields(compiler *ast.Compiler) error {
	if s.Lenient {
		return nil
	}
	resources := make([]fields.Resource, len(s.Objects))
	for i, r := range s.Objects {
		resources[i] = fields.Resource{Group: r.Group, Resource: r.Resource, Subresource: r.Subresource} // the zero one for any
	}
	stages := make([]review.Stage, len(s.Rules))
	for i, rule := range s.Rules {
		stages[i] = rule.Stage
	}
	return errors.Join(fields.Check(compiler, s.Package, fields.Input(stages, fields.Objects(resources)))...)
}
