package native

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// rules tells which rules of a package are asked at which stage: deny at the stages match names, by default at admission; the others
// have one stage each. The rule user is asked only where no stage is named, and not in a package with rules of admission that reads
// nothing of input.spec, which spec tells: many have a helper of that name.
func rules(modules []module, stages v1alpha1.Stages, spec bool) ([]policies.Rule, error) {
	defines := func(name string) bool { return ruleOf(modules, name) != nil }
	admission := defines("deny") || defines("warn") || defines("mutate")
	if len(stages) == 0 && defines("user") && (spec || !admission) {
		out := []policies.Rule{{Stage: review.Authenticate, Name: "user"}}
		if defines("deny") {
			out = append(out, policies.Rule{Stage: review.Authenticate, Name: "deny"})
		}
		return out, nil
	}
	if len(stages) == 0 {
		stages = v1alpha1.Stages{"admission"}
		if !admission && defines("allow") {
			err := errors.New(`the package defines allow alone; write "stage: grant" in match if it is to allow what RBAC does not`)
			return nil, under(err, "match")
		}
	}
	if len(stages) > 1 && (slices.Contains(stages, "guard") || slices.Contains(stages, "grant")) {
		err := errors.New("guard and grant stand alone in stage: what resources and operations mean there is not what they mean elsewhere")
		return nil, under(err, "match", "stage")
	}
	var out []policies.Rule
	var asked, useless []string
	for i, stage := range stages {
		var here []policies.Rule
		switch stage {
		case "admission":
			here = []policies.Rule{
				{Stage: review.Validate, Name: "deny"}, {Stage: review.Validate, Name: "warn"}, {Stage: review.Mutate, Name: "mutate"},
			}
		case "guard":
			here = []policies.Rule{{Stage: review.Guard, Name: "deny"}}
		case "grant":
			here = []policies.Rule{{Stage: review.Grant, Name: "allow"}}
		case "image":
			here = []policies.Rule{{Stage: review.Image, Name: "deny"}}
		default:
			err := fmt.Errorf("stage %q is none of admission, guard, grant and image", stage)
			return nil, under(err, "match", "stage", strconv.Itoa(i))
		}
		before := len(out)
		for _, rule := range here {
			if !slices.Contains(asked, rule.Name) {
				asked = append(asked, rule.Name)
			}
			if defines(rule.Name) {
				out = append(out, rule)
			}
		}
		if len(out) == before {
			useless = append(useless, stage)
		}
	}
	switch {
	case len(out) == 0:
		return nil, noneAsked(modules, stages, asked)
	case len(useless) > 0: // image, whose only rule is deny
		return nil, under(fmt.Errorf("the package defines no rule that is asked at stage %s: deny; take the stage out", useless[0]), "match", "stage")
	}
	return out, nil
}

// noneAsked is the error of a package that has none of the rules asked at its stages. It points at the rule that was meant for one, if
// there is one.
func noneAsked(modules []module, stages, asked []string) error {
	err := fmt.Errorf("the package defines none of the rules asked at stage %s: %s", spelling.Listed(stages, "and"), spelling.Listed(asked, "or"))
	if slices.Contains(asked, "mutate") {
		err = fmt.Errorf("%w, or user for tokens", err)
		asked = append(asked, "user")
	}
	for _, m := range modules {
		for _, r := range m.Rules {
			name, isRule := nameOf(r)
			if near := meant(name, asked...); isRule && near != "" {
				return &placedError{at: placeOf(r), err: fmt.Errorf("%w; did you mean %s by %s?", err, near, name)}
			}
		}
	}
	return under(err, "match", "stage")
}

// unasked returns an error for a package without METADATA that has a rule nothing would ask, although its name says that it is to be
// asked. Rules named user and allow are that only where they are about tokens and access: helpers have such names as well.
func (b *bundle) unasked(path string) error {
	modules := b.packages[path]
	name := identity(modules[0].Package.Path)
	if r := ruleOf(modules, "violation"); r != nil && !slices.ContainsFunc(modules, func(m module) bool { return m.mentions("violation") }) {
		return fmt.Errorf("%s: package %s defines violation, which is asked of Gatekeeper's templates alone: put the package into a ConstraintTemplate, or "+
			"rename the rule to deny, and let it read input.request where it reads input.review", placeOf(r), name)
	}
	if err := b.slip(modules); err != nil && !b.used[name] {
		return blame(err, "", "policy "+name)
	}
	if ruleOf(modules, "deny") != nil || ruleOf(modules, "warn") != nil || b.used[name] {
		return nil
	}
	for _, entry := range []struct{ rule, says string }{
		{"mutate", "{match: {resources: [pods]}}"}, {"user", "{severity: high}"}, {"allow", "{match: {stage: grant}}"},
	} {
		if r := ruleOf(modules, entry.rule); r != nil && (entry.rule == "mutate" || b.aboutAccess(path) && !b.helps(path)) {
			return fmt.Errorf("%s: package %s defines %s and has no METADATA, without which it is not asked; put three lines like these before "+
				"the package: %q, %q, %q", placeOf(r), name, entry.rule, "# METADATA", "# custom:", "#   portcullis: "+entry.says)
		}
	}
	return nil
}

// aboutAccess reports whether a package that may have forgotten its METADATA is about tokens or access: it reads input.spec, or sees the
// review by the library's helpers alone, which no package does that was written for another program.
func (b *bundle) aboutAccess(path string) bool {
	helped := slices.ContainsFunc(b.packages.closure(path), b.isHelper)
	return b.readsSpec(path) || helped && !b.reads(path, "request")
}

// helps reports whether another package refers to something of the package: it is there for that one, whatever its rules are called.
func (b *bundle) helps(path string) bool {
	for name, others := range b.packages {
		refers := func(m module) bool {
			return slices.ContainsFunc(m.dataRefs(), func(ref ast.Ref) bool { return overlap(b.packages[path][0].Package.Path, ref) })
		}
		if name != path && slices.ContainsFunc(others, refers) {
			return true
		}
	}
	return false
}

// readsSpec reports whether a package reads input.spec, where tokens and access are.
func (b *bundle) readsSpec(path string) bool { return b.reads(path, "spec") }

// reads reports whether a package, or one it can reach that is not a helper of the library, reads a member of the input.
func (b *bundle) reads(path, member string) bool {
	return slices.ContainsFunc(b.packages.closure(path), func(m module) bool {
		return !b.isHelper(m) && policies.Reads(m.Module, ast.InputRootDocument, member)
	})
}

func (b *bundle) isHelper(m module) bool {
	return slices.ContainsFunc(b.shared, func(path ast.Ref) bool { return path.Equal(m.Package.Path) })
}

// ruleOf returns the first rule of that name, or nil.
func ruleOf(modules []module, name string) *ast.Rule {
	for _, m := range modules {
		for _, r := range m.Rules {
			if found, isRule := nameOf(r); isRule && found == name {
				return r
			}
		}
	}
	return nil
}

// nameOf returns the name of a rule. A function is none: it is never asked.
func nameOf(r *ast.Rule) (name string, isRule bool) {
	ref := r.Head.Ref()
	if len(ref) == 0 || len(r.Head.Args) > 0 {
		return "", false
	}
	head, ok := ref[0].Value.(ast.Var)
	return string(head), ok
}

// mentions reports whether a rule of the module refers to that of the name, wherever in it. Rules of the name refer to themselves.
func (m module) mentions(name string) bool {
	found := false
	look := func(node any) {
		ast.WalkVars(node, func(v ast.Var) bool {
			found = found || string(v) == name
			return found
		})
	}
	for _, r := range m.Rules {
		for r := r; r != nil; r = r.Else {
			look(r.Body)
			for _, term := range []*ast.Term{r.Head.Key, r.Head.Value} {
				if term != nil {
					look(term)
				}
			}
			for _, term := range r.Head.Args {
				look(term)
			}
		}
	}
	return found
}

func placeOf(r *ast.Rule) string { return fmt.Sprintf("%s:%d", r.Location.File, r.Location.Row) }
