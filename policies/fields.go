package policies

import (
	"errors"
	"strings"

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
	stages := make([]review.Stage, len(s.Rules))
	for i, rule := range s.Rules {
		stages[i] = rule.Stage
	}
	return errors.Join(fields.Check(compiler, s.Package, fields.Input(stages, fields.Objects(fieldsOf(s.Objects))))...)
}

// Check returns an error if the path leads nowhere in the objects of the resources. A custom resource has whatever it likes.
func (p Path) Check(of []Resource) error { return CheckPath(of, strings.Split(string(p), ".")...) }

// CheckPath is Check of a path in segments, for one that leads through keys with dots.
func CheckPath(of []Resource, segments ...string) error {
	return fields.Path(fieldsOf(of), segments...)
}

// fieldsOf are the resources as the package fields has them, the zero one for any.
func fieldsOf(resources []Resource) []fields.Resource {
	out := make([]fields.Resource, len(resources))
	for i, r := range resources {
		out[i] = fields.Resource{Group: r.Group, Resource: r.Resource, Subresource: r.Subresource}
	}
	return out
}
