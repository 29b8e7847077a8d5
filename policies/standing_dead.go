package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// aliases are the variables of a rule that are another name for a part of a document, and nothing else.
type aliases map[ast.Var]ast.Ref

func (s *standing) aliases(rule *ast.Rule) aliases {
	if known, ok := s.names[rule]; ok {
		return known
	}
	bound := map[ast.Var][]ast.Ref{}
	ast.WalkExprs(rule, func(x *ast.Expr) bool {
		if operands := x.Operands(); x.IsEquality() && len(operands) == 2 && !x.Negated {
			for i, side := range operands {
				v, isVar := side.Value.(ast.Var)
				ref, isRef := operands[1-i].Value.(ast.Ref)
				switch {
				case isVar && isRef:
					bound[v] = append(bound[v], ref)
				case isVar:
					bound[v] = append(bound[v], nil, nil)
				}
			}
		}
		return false
	})
	for _, argument := range rule.Head.Args {
		if v, ok := argument.Value.(ast.Var); ok {
			delete(bound, v)
		}
	}
	out := aliases{}
	for v, refs := range bound {
		if len(refs) == 1 {
			out[v] = refs[0]
		}
	}
	for v, ref := range out {
		out[v] = out.whole(ref)
	}
	s.names[rule] = out
	return out
}

// maxAliases bounds how many names in a row one is followed through.
const maxAliases = 16

// whole spells a reference from the root of its document on.
func (a aliases) whole(ref ast.Ref) ast.Ref {
	for range maxAliases {
		head, ok := ref[0].Value.(ast.Var)
		if !ok {
			return ref
		}
		from, named := a[head]
		if !named {
			return ref
		}
		ref = from.Concat(ref[1:])
	}
	return ref
}

// ref is the reference that a term is, or is another name for.
func (a aliases) ref(term *ast.Term) (ast.Ref, bool) {
	switch value := term.Value.(type) {
	case ast.Ref:
		return a.whole(value), true
	case ast.Var:
		ref, ok := a[value]
		return ref, ok
	}
	return nil, false
}

// dead reports whether a rule, with all that stands behind its else, is undefined about an object that is there already.
func (s *standing) dead(rule *ast.Rule) bool {
	if known, ok := s.barren[rule]; ok {
		return known
	}
	dead := true
	for part := rule; part != nil && dead; part = part.Else {
		dead = !part.Default && s.deadBody(part.Body, s.aliases(rule))
	}
	s.barren[rule] = dead
	return dead
}

func (s *standing) deadBody(body ast.Body, names aliases) bool {
	return slices.ContainsFunc(body, func(x *ast.Expr) bool { return s.deadExpression(x, names) })
}

// deadExpression reports whether an expression certainly does not hold.
func (s *standing) deadExpression(x *ast.Expr, names aliases) bool {
	if len(x.With) > 0 {
		return false
	}
	if holds, decided := s.decides(x, names); decided {
		return holds == x.Negated
	}
	if x.Negated {
		return false
	}
	dead := false
	ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
			return true // they hold whatever is undefined in them
		case ast.Ref:
			dead = dead || s.undefined(names.whole(node))
		}
		return dead
	}).Walk(x)
	return dead
}

// undefined reports whether a reference certainly leads nowhere: into the old object, which there is none of, or to a rule that is dead.
func (s *standing) undefined(ref ast.Ref) bool {
	if ref[0].Equal(ast.InputRootDocument) {
		return len(ref) > 3 && constantAt(ref, 1) == "request" && constantAt(ref, 2) == "oldObject"
	}
	if !ref[0].Equal(ast.DefaultRootDocument) {
		return false
	}
	rules := s.compiler.GetRules(ref.ConstantPrefix())
	return len(rules) > 0 && !slices.ContainsFunc(rules, func(r *ast.Rule) bool {
		own, ground := r.Ref(), r.Ref().GroundPrefix()
		complete := r.Head.RuleKind() == ast.SingleValue && len(own) == len(ground)
		// A set, or an object, of which no part is defined is empty, and a package is there whatever is in it.
		return !s.dead(r) || len(ref) < len(ground) || !complete && len(ref) == len(ground)
	})
}

// decides reports whether an expression, leaving out a not before it, asks for nothing but what is known of every object that is there: whether it is
// being changed or deleted, and whether there is an old one. What would hold of a creation and of no update is not decided.
func (s *standing) decides(x *ast.Expr, names aliases) (holds, decided bool) {
	operands := x.Operands()
	terms, ok := x.Terms.([]*ast.Term)
	if !ok || !x.IsCall() || len(operands) != 2 {
		return false, false
	}
	among := func(term *ast.Term) ([]ast.Value, bool) {
		return []ast.Value{term.Value}, term.IsGround() && constant(term)
	}
	unlike := false
	switch terms[0].String() {
	case ast.Equality.Name, ast.Equal.Name:
	case ast.NotEqual.Name:
		unlike = true
	case ast.Member.Name:
		among = elementsOf
	default:
		return false, false
	}
	for i, side := range operands {
		ref, ok := names.ref(side)
		if !ok || i == 1 && terms[0].String() == ast.Member.Name {
			continue
		}
		given, known := among(operands[1-i])
		if !known {
			continue
		}
		has := func(v ast.Value) bool {
			return slices.ContainsFunc(given, func(g ast.Value) bool { return ast.Compare(g, v) == 0 }) != unlike
		}
		switch {
		case s.isMember(ref, "oldObject"):
			return has(ast.Null{}), true
		case s.isMember(ref, "operation"):
			create, update := has(ast.String("CREATE")), has(ast.String("UPDATE"))
			return create, !create || update
		}
	}
	return false, false
}

func constant(term *ast.Term) bool {
	_, isRef := term.Value.(ast.Ref)
	return !isRef
}

// elementsOf are those of a list or set that is written out.
func elementsOf(term *ast.Term) (out []ast.Value, known bool) {
	each := func(t *ast.Term) { out = append(out, t.Value) }
	switch value := term.Value.(type) {
	case ast.Set:
		value.Foreach(each)
	case *ast.Array:
		value.Foreach(each)
	default:
		return nil, false
	}
	return out, term.IsGround()
}

// isMember reports whether a reference leads to a member of the request, if need be by way of rules that are nothing but another name for it.
func (s *standing) isMember(ref ast.Ref, name ast.String) bool {
	for range maxAliases {
		if ref[0].Equal(ast.InputRootDocument) {
			return len(ref) == 3 && constantAt(ref, 1) == "request" && constantAt(ref, 2) == string(name)
		}
		rules := s.compiler.GetRulesExact(ref)
		if len(rules) != 1 || rules[0].Else != nil || rules[0].Head.Value == nil || len(rules[0].Head.Args) > 0 {
			return false
		}
		next, ok := s.aliases(rules[0]).ref(rules[0].Head.Value)
		if !ok {
			return false
		}
		ref = next
	}
	return false
}
