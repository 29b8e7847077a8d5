// Package plan answers queries by the plans that OPA makes of them, its intermediate representation: what is looked up, compared and called
// in which order is settled when a policy is compiled, and not found out anew by unification at each review.
//
// It is a quick way to an answer and never the last word: where a rule conflicts, a function cannot go on, or something is not as it should
// be, there is an error, and whoever asks turns to OPA's own evaluation, which says what is wrong.
package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/rego"
)

// target is the name by which package rego knows us.
const target = "portcullis"

// Plan is how the value of one rule is found. It is immutable and safe for concurrent use.
type Plan struct {
	rule    *function
	count   int // of functions
	ignores bool
}

// Ignores reports whether the rule has the same value whatever the input has at the paths that may be Unread.
func (p *Plan) Ignores() bool { return p.ignores }

// Rule is what there may be a plan of.
type Rule struct {
	Ref ast.Ref // data.portcullis.library.pods.privileged.deny
	// Strict says that there is no answer where a builtin function failed on the way to it. Otherwise the failure is undefined.
	Strict bool
	// Shared are packages whose rules have the same value for all evaluations of one Memory. Only those that are Strict share anything: what was
	// undefined for a failure may not be told from what is undefined.
	Shared []ast.Ref
	// Unread are paths of the input of which Plan.Ignores tells whether they are read, given that the input has nothing, or an empty object, at
	// the paths that are Empty.
	Unread, Empty [][]string
}

// Of returns the plan of a rule among the compiled modules, or an error if it has something that no plan here can do. Register must have been
// called.
func Of(ctx context.Context, compiler *ast.Compiler, rule Rule) (*Plan, error) {
	if rule.Strict && indexed(compiler) {
		return nil, errors.New("OPA works out more of a comprehension than is asked for, in which a function may fail")
	}
	var made ir.Policy
	query := ast.NewBody(ast.Equality.Expr(ast.VarTerm("answer"), ast.NewTerm(rule.Ref)))
	_, err := rego.New(rego.Compiler(compiler), rego.ParsedQuery(query), rego.Target(target)).PrepareForEval(context.WithValue(ctx, madeKey{}, &made))
	switch {
	case err != nil:
		return nil, err
	case made.Funcs == nil:
		return nil, errors.New("no plan was made")
	}
	return load(&made, rule)
}

// indexed reports whether OPA's evaluation works out some comprehension for all values of a variable at once, before it knows which are asked for.
func indexed(compiler *ast.Compiler) bool {
	found := false
	for _, module := range compiler.Modules {
		ast.WalkTerms(module, func(term *ast.Term) bool {
			found = found || compiler.ComprehensionIndex(term) != nil
			return found
		})
	}
	return found
}

// load makes functions of what OPA planned.
func load(made *ir.Policy, rule Rule) (*Plan, error) {
	l := &loader{
		functions: map[string]*function{}, dynamic: map[string]*function{}, constants: make([]*ast.Term, len(made.Static.Strings)), strict: rule.Strict,
	}
	for i, s := range made.Static.Strings {
		l.constants[i] = ast.InternedTerm(s.Value)
	}
	for i, f := range made.Funcs.Funcs {
		fn := &function{number: i}
		l.functions[f.Name] = fn
		if len(f.Params) != implied {
			continue
		}
		l.dynamic[dynamicName(f.Path)] = fn
		if rule.Strict && slices.ContainsFunc(rule.Shared, func(pkg ast.Ref) bool { return below(pkg, f.Path) }) {
			fn.shared = f.Name
		}
	}
	plan := &Plan{count: len(made.Funcs.Funcs)}
	path := pathOf(rule.Ref)
	for _, f := range made.Funcs.Funcs {
		if err := l.function(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if slices.Equal(f.Path, path) {
			plan.rule = l.functions[f.Name]
			plan.ignores = len(f.Params) == implied && ignores(made, f.Name, rule.Unread, rule.Empty)
		}
	}
	if plan.rule == nil || len(plan.rule.params) != implied {
		return nil, fmt.Errorf("%s is not planned by itself", rule.Ref)
	}
	return plan, nil
}

// unreplaced is the first name in the path of each function that knows of no "with".
const unreplaced = "g0"

// pathOf is the path of the function that a rule, or what begins those of a package, becomes.
func pathOf(ref ast.Ref) []string {
	path := []string{unreplaced}
	for _, term := range ref[1:] {
		name, _ := term.Value.(ast.String)
		path = append(path, string(name))
	}
	return path
}

func below(pkg ast.Ref, path []string) bool {
	prefix := pathOf(pkg)
	return len(path) > len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// dynamicName is the name by which functions are found whose path is only known when it is called. No name of a rule has a line feed.
func dynamicName(path []string) string { return strings.Join(path, "\n") }

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
