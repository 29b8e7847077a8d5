// Package gatekeeper is the front end for Gatekeeper's ConstraintTemplates and Constraints, which run as they are: a constraint becomes a
// policy whose Rego is its template's. It accepts what Gatekeeper accepts, and compiles the Rego before it accepts a template.
package gatekeeper
