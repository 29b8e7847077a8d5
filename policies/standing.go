package policies

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/review"
)

// The reasons for which a rule has no answer about an object that is there already, as sentences.
const (
	asksUser      = "It reads who makes a request (input.request.userInfo), and nobody makes one of what is there already."
	asksOperation = "It reads what is done (input.request.operation), and with what is there already nothing is done."
	asksRest      = "It reads how a request is made (its options, dryRun or uid), and none is made of what is there already."
	asksWhole     = "It takes the request as a whole, in which is who makes it and what is done; nobody makes one of what is there already."
	asksChange    = "It is about what is changed, deleted or connected to, and not about what is there already."
)

// unaskable returns why the rules deny and warn of a compiled native policy have no answer about an object that nobody sends, or "".
//
// Such an object is shown to them as if it were created now, by nobody: its operation is CREATE and there is no old object. What a rule does only
// when something is changed or deleted is therefore passed over, as are its reasons to let a change by; what is left, and everything that it can
// reach, must not read who asks, nor tell a creation from an update. The analysis errs on the side of "no answer".
func unaskable(compiler *ast.Compiler, spec Spec) string {
	s := standing{compiler: compiler, seen: map[*ast.Rule]bool{}, barren: map[*ast.Rule]bool{}, names: map[*ast.Rule]aliases{}}
	speaks, asked := false, false
	for _, rule := range spec.Rules {
		if rule.Stage != review.Validate {
			continue
		}
		asked = true
		for _, r := range compiler.GetRulesExact(spec.Package.Append(ast.StringTerm(rule.Name))) {
			speaks = !s.dead(r) || speaks
			s.follow(r)
		}
	}
	switch {
	case s.reads != "":
		return s.reads
	case asked && !speaks:
		return asksChange
	}
	return ""
}

// standing is one analysis in progress.
type standing struct {
	compiler *ast.Compiler
	seen     map[*ast.Rule]bool
	barren   map[*ast.Rule]bool // the rules of which it is known whether they are dead
	names    map[*ast.Rule]aliases
	reads    string // the first reason found
}

// follow notes what a rule reads, and whatever it reaches.
func (s *standing) follow(rule *ast.Rule) {
	if s.seen[rule] {
		return
	}
	s.seen[rule] = true
	for part := rule; part != nil; part = part.Else {
		names := s.aliases(rule)
		if s.deadBody(part.Body, names) {
			continue
		}
		s.visit(part.Body, names)
		for _, term := range part.Head.Reference[min(1, len(part.Head.Reference)):] {
			s.visit(term, names)
		}
		for _, term := range append([]*ast.Term{part.Head.Key, part.Head.Value}, part.Head.Args...) {
			if term != nil {
				s.visit(term, names)
			}
		}
	}
}

// visit notes what is read below a node.
func (s *standing) visit(node any, names aliases) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Body:
			// Of a comprehension or an every: what cannot hold is not evaluated further.
			return s.deadBody(x, names)
		case *ast.Expr:
			return s.expression(x, names)
		case *ast.Term:
			switch value := x.Value.(type) {
			case ast.Var:
				if ref, ok := names[value]; ok {
					s.note(ref)
				}
			case ast.Ref:
				s.note(names.whole(value))
				for _, operand := range value[1:] {
					s.visit(operand, names)
				}
				return true
			}
		}
		return false
	}).Walk(node)
}

// expression visits one that uses its terms in a way of its own, and reports whether it is one.
func (s *standing) expression(x *ast.Expr, names aliases) bool {
	if _, decided := s.decides(x, names); decided {
		return true
	}
	terms, ok := x.Terms.([]*ast.Term)
	if !ok || !x.IsCall() {
		return false
	}
	operands := x.Operands()
	switch {
	case x.IsEquality() && len(operands) == 2:
		for i, side := range operands {
			v, isVar := side.Value.(ast.Var)
			if _, named := names[v]; isVar && named {
				if ref, ok := operands[1-i].Value.(ast.Ref); ok { // it is bound here, and read where it is used
					for _, operand := range ref[1:] {
						s.visit(operand, names)
					}
					return true
				}
			}
		}
	case terms[0].String() == ast.ObjectGet.Name && len(operands) >= 3:
		if ref, ok := names.ref(operands[0]); ok {
			if path, ok := constantPath(operands[1]); ok {
				s.note(ref.Concat(path))
				for _, operand := range operands[2:] {
					s.visit(operand, names)
				}
				return true
			}
		}
	}
	return false
}

// constantPath is a key, or a list of keys, that is written out.
func constantPath(term *ast.Term) ([]*ast.Term, bool) {
	switch value := term.Value.(type) {
	case ast.String:
		return []*ast.Term{term}, true
	case *ast.Array:
		var out []*ast.Term
		value.Foreach(func(t *ast.Term) { out = append(out, t) })
		return out, value.IsGround() && len(out) > 0
	}
	return nil, false
}

// note takes down what a reference reads.
func (s *standing) note(ref ast.Ref) {
	switch {
	case ref[0].Equal(ast.DefaultRootDocument):
		for _, rule := range s.compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}) {
			s.follow(rule)
		}
		return
	case !ref[0].Equal(ast.InputRootDocument):
		return
	}
	why := ""
	switch constantAt(ref, 1) {
	case "parameters", "namespace", "spec", "apiVersion", "kind":
	case "request":
		switch constantAt(ref, 2) {
		case "object", "oldObject", "kind", "resource", "subResource", "requestKind", "requestResource", "requestSubResource", "name", "namespace":
		case "userInfo":
			why = asksUser
		case "operation":
			why = asksOperation
		case "options", "dryRun", "uid":
			why = asksRest
		default:
			why = asksWhole
		}
	default:
		why = asksWhole
	}
	if s.reads == "" {
		s.reads = why
	}
}
