package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// meant returns the one of the rules that are asked which a name was probably meant for, or "".
func meant(name string, asked ...string) string {
	near := spelling.Nearest(name, asked...)
	switch strings.ToLower(name) {
	case "violation", "violations", "denial", "denials", "denied", "denies":
		near = "deny"
	case "warns", "warned", "warning", "warnings":
		near = "warn"
	case "mutation", "mutations", "mutated", "mutates":
		near = "mutate"
	case "allowed", "allows":
		near = "allow"
	}
	if !slices.Contains(asked, near) || near == name {
		return ""
	}
	return near
}

// slip returns an error for a rule that looks as if it were to be asked, and is neither that nor a helper of anything: a set with a name near
// to deny, warn or mutate.
func (b *bundle) slip(modules []module) error {
	for _, m := range modules {
		for _, r := range m.Rules {
			name, isRule := nameOf(r)
			near := meant(name, "deny", "warn", "mutate")
			if isRule && near != "" && r.Head.RuleKind() == ast.MultiValue && !b.refersTo(modules, name) {
				return &placedError{at: placeOf(r), err: fmt.Errorf("rule %s is never asked, and nothing refers to it; did you mean %s?", name, near)}
			}
		}
	}
	return nil
}

// ofTokens returns an error for a package that has a rule near to user and is about tokens: it would quietly be an admission policy.
func (b *bundle) ofTokens(modules []module) error {
	if ruleOf(modules, "user") != nil || !b.readsSpec(modules[0].path()) {
		return nil
	}
	for _, m := range modules {
		for _, r := range m.Rules {
			name, isRule := nameOf(r)
			if isRule && meant(name, "user") != "" && !b.refersTo(modules, name) {
				return &placedError{at: placeOf(r), err: fmt.Errorf("rule %s is never asked, and nothing refers to it; did you mean user?", name)}
			}
		}
	}
	return nil
}

// elsewhere returns an error for a rule that is asked at other stages than the policy's, and is no helper of anything either.
func (b *bundle) elsewhere(modules []module, asked []policies.Rule) error {
	for _, name := range []string{"deny", "warn", "mutate", "allow", "user"} {
		r := ruleOf(modules, name)
		isAsked := slices.ContainsFunc(asked, func(rule policies.Rule) bool { return rule.Name == name })
		if r == nil || isAsked || b.refersTo(modules, name) {
			continue
		}
		stages := map[string]string{
			"deny": "admission, guard and image", "warn": "admission", "mutate": "admission", "allow": "grant", "user": "the review of a token",
		}
		return &placedError{at: placeOf(r), err: fmt.Errorf(
			"rule %s is never asked here, and nothing refers to it: it is for %s; take it out, or put it into a policy of its own", name, stages[name])}
	}
	return nil
}

// refersTo reports whether some rule has that of the name, in its package or from another one.
func (b *bundle) refersTo(modules []module, name string) bool {
	if slices.ContainsFunc(modules, func(m module) bool { return m.mentions(name) }) {
		return true
	}
	for _, others := range b.packages {
		if slices.ContainsFunc(others, func(m module) bool { return m.reaches(modules[0].Package.Path, name) }) {
			return true
		}
	}
	return false
}

// reaches reports whether a module refers to a rule of a package by its path under data or by an import: to itself, to all below it or to
// all around it.
func (m module) reaches(pkg ast.Ref, name string) bool {
	rule := pkg.Append(ast.StringTerm(name))
	imported := map[ast.Var]ast.Ref{}
	for _, i := range m.Imports {
		if ref, ok := i.Path.Value.(ast.Ref); ok && ref.HasPrefix(ast.DefaultRootRef) {
			imported[i.Name()] = ref
		}
	}
	found := false
	for _, r := range m.Rules {
		ast.WalkTerms(r, func(t *ast.Term) bool {
			ref, _ := t.Value.(ast.Ref)
			if v, ok := t.Value.(ast.Var); ok {
				ref = ast.Ref{ast.NewTerm(v)}
			}
			if len(ref) == 0 {
				return false
			}
			if head, ok := ref[0].Value.(ast.Var); ok && imported[head] != nil {
				ref = imported[head].Concat(ref[1:])
			}
			if ref.HasPrefix(ast.DefaultRootRef) && len(ref) > 1 {
				found = found || overlap(rule, ref.ConstantPrefix())
				return true
			}
			return found
		})
	}
	return found
}
