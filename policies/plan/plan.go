// Package plan answers queries by the plans that OPA makes of them, its intermediate representation: what is looked up, compared and called
// in which order is settled when a policy is compiled, and not found out anew by unification at each review.
//
// It is a quick way to an answer and never the last word: where a rule conflicts, a function cannot go on, or something is not as it should
// be, there is an error, and whoever asks turns to OPA's own evaluation, which says what is wrong. Builtin functions that fail are undefined, as in
// OPA's evaluation that is not strict.
package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
)

// target is the name by which package rego knows us.
const target = "portcullis"

// Plan is how the value of one rule is found. It is immutable and safe for concurrent use.
type Plan struct {
	rule  *function
	count int // of functions
}

// Of returns the plan of a rule among the compiled modules, or an error if it has something that no plan here can do. Register must have been
// called.
func Of(ctx context.Context, compiler *ast.Compiler, rule ast.Ref) (*Plan, error) {
	var made ir.Policy
	query := ast.NewBody(ast.Equality.Expr(ast.VarTerm("answer"), ast.NewTerm(rule)))
	_, err := rego.New(rego.Compiler(compiler), rego.ParsedQuery(query), rego.Target(target)).PrepareForEval(context.WithValue(ctx, madeKey{}, &made))
	switch {
	case err != nil:
		return nil, err
	case made.Funcs == nil:
		return nil, errors.New("no plan was made")
	}
	return load(&made, rule)
}

// load makes functions of what OPA planned.
func load(made *ir.Policy, rule ast.Ref) (*Plan, error) {
	l := &loader{functions: map[string]*function{}, constants: make([]*ast.Term, len(made.Static.Strings))}
	for i, s := range made.Static.Strings {
		l.constants[i] = ast.InternedTerm(s.Value)
	}
	for i, f := range made.Funcs.Funcs {
		l.functions[f.Name] = &function{number: i}
	}
	plan := &Plan{count: len(made.Funcs.Funcs)}
	path := []string{"g0"}
	for _, term := range rule[1:] {
		name, _ := term.Value.(ast.String)
		path = append(path, string(name))
	}
	for _, f := range made.Funcs.Funcs {
		if err := l.function(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if slices.Equal(f.Path, path) {
			plan.rule = l.functions[f.Name]
		}
	}
	if plan.rule == nil || len(plan.rule.params) != implied {
		return nil, fmt.Errorf("%s is not planned by itself", rule)
	}
	return plan, nil
}

type madeKey struct{}

// plugin is how to come by a plan: the planner itself is internal to OPA.
type plugin struct{}

func (plugin) IsTarget(name string) bool { return name == target }

func (plugin) PrepareForEval(ctx context.Context, policy *ir.Policy, _ ...rego.PrepareOption) (rego.TargetPluginEval, error) {
	made, ok := ctx.Value(madeKey{}).(*ir.Policy)
	if !ok {
		return nil, errors.New("plans are made by plan.Of alone")
	}
	*made = *policy
	return nil, nil //nolint:nilnil // nobody evaluates by way of package rego
}

// Register teaches OPA to hand over its plans. It is for package language alone, whose Register says when.
func Register() { rego.RegisterPlugin(target, plugin{}) }
