package fields

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reading works out what the terms of a policy may be, as far as that can be told from its text alone. What is written differently from what
// is understood here is not known, and no field of it is checked: no policy is refused for being clever.
type reading struct {
	compiler *ast.Compiler
	input    Type
	rules    map[string]Type // by name
	quiet    int             // how many rules of others, or that are only referred to, are being read
	missing  func(missing)
}

// missing is a reference to a field that is never there.
type missing struct {
	ref ast.Ref // up to the field
	in  Type
	at  *ast.Location
}

// scope is what is known of the variables of one body.
type scope struct {
	vars  map[ast.Var]Type
	outer *scope
	at    *ast.Location // of the expression that is being read
}

func (s *scope) inner() *scope { return &scope{vars: map[ast.Var]Type{}, outer: s, at: s.at} }

func (s *scope) of(v ast.Var) Type {
	for ; s != nil; s = s.outer {
		if t, ok := s.vars[v]; ok {
			return t
		}
	}
	return Type{}
}

// rule is the value of a rule, its else included. It returns false if the rule never has one.
func (r *reading) rule(rule *ast.Rule) (Type, bool) {
	var all []Type
	for ; rule != nil; rule = rule.Else {
		s := &scope{vars: map[ast.Var]Type{}, at: rule.Location}
		if !r.body(rule.Body, s) {
			continue
		}
		value := rule.Head.Value
		if rule.Head.RuleKind() == ast.MultiValue {
			value = rule.Head.Key
		}
		t := typeOf(plain{})
		if value != nil {
			var ok bool
			if t, ok = r.term(value, s); !ok {
				continue
			}
		}
		if rule.Head.RuleKind() == ast.MultiValue {
			t = typeOf(&collection{t})
		}
		path := rule.Head.Ref()
		for i := len(path) - 1; i > 0; i-- {
			if name, ok := path[i].Value.(ast.String); ok {
				t = typeOf(&object{map[string]Type{string(name): t}})
			} else {
				t = typeOf(&collection{t})
			}
		}
		all = append(all, t)
	}
	return union(all...), len(all) > 0
}

// body reads a body, and returns whether it can hold.
func (r *reading) body(body ast.Body, s *scope) bool {
	holds := true
	for _, expr := range body {
		if expr.Location != nil {
			s.at = expr.Location
		}
		holds = r.expr(expr, s) && holds
	}
	return holds
}

// expr reads an expression, and returns whether it can hold.
func (r *reading) expr(expr *ast.Expr, s *scope) bool {
	for _, with := range expr.With {
		r.term(with.Value, s)
	}
	holds := true
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		_, holds = r.term(terms, s)
	case []*ast.Term:
		types := make([]Type, len(terms))
		for i, term := range terms[1:] {
			var ok bool
			types[i+1], ok = r.term(term, s)
			holds = holds && ok
		}
		if expr.IsEquality() && len(terms) == 3 && !expr.Negated && len(expr.With) == 0 {
			r.bind(terms[1], types[2], s)
			r.bind(terms[2], types[1], s)
		}
	case *ast.Every:
		domain, ok := r.term(terms.Domain, s)
		inner := s.inner()
		r.bind(terms.Value, domain.each(), inner)
		r.body(terms.Body, inner)
		holds = ok
	}
	return holds || expr.Negated || len(expr.With) > 0
}

// bind is told that a pattern is of a type.
func (r *reading) bind(pattern *ast.Term, t Type, s *scope) {
	if t.unknown() {
		return
	}
	switch p := pattern.Value.(type) {
	case ast.Var:
		if s.of(p).unknown() {
			s.vars[p] = t
		}
	case *ast.Array:
		for i := range p.Len() {
			r.bind(p.Elem(i), t.item(i), s)
		}
	case ast.Object:
		p.Foreach(func(key, value *ast.Term) {
			if name, ok := key.Value.(ast.String); ok {
				if member, ok := t.Field(string(name)); ok {
					r.bind(value, member, s)
				}
			}
		})
	}
}

// term is the type of a term. It returns false if the term never has a value.
func (r *reading) term(term *ast.Term, s *scope) (Type, bool) {
	if term.Location != nil {
		defer func(at *ast.Location) { s.at = at }(s.at)
		s.at = term.Location
	}
	switch v := term.Value.(type) {
	case ast.String:
		return typeOf(text(v)), true
	case ast.Null, ast.Boolean, ast.Number:
		return typeOf(plain{}), true
	case ast.Var:
		if term.Equal(ast.InputRootDocument) {
			return r.input, true
		}
		return s.of(v), true
	case ast.Ref:
		return r.ref(v, s)
	case ast.Call:
		for _, operand := range v[1:] {
			r.term(operand, s)
		}
	case *ast.Array:
		out := &array{make([]Type, v.Len())}
		holds := true
		for i := range out.items {
			var ok bool
			out.items[i], ok = r.term(v.Elem(i), s)
			holds = holds && ok
		}
		return typeOf(out), holds
	case ast.Set:
		var all []Type
		for _, element := range v.Slice() {
			one, _ := r.term(element, s)
			all = append(all, one)
		}
		return typeOf(&collection{union(all...)}), true
	case ast.Object:
		return r.object(v, s)
	case *ast.ArrayComprehension:
		return r.comprehension(v.Body, v.Term, s), true
	case *ast.SetComprehension:
		return r.comprehension(v.Body, v.Term, s), true
	case *ast.ObjectComprehension:
		inner := s.inner()
		r.body(v.Body, inner)
		r.term(v.Key, inner)
		value, _ := r.term(v.Value, inner)
		return typeOf(&collection{value}), true
	}
	return Type{}, true
}

// comprehension is what there is in one. One whose body never holds is empty.
func (r *reading) comprehension(body ast.Body, element *ast.Term, s *scope) Type {
	inner := s.inner()
	holds := r.body(body, inner)
	of, ok := r.term(element, inner)
	if !holds || !ok {
		return typeOf(&array{})
	}
	return typeOf(&collection{of})
}

// object is one that is spelt out. Of one with a key that is not, nothing is known.
func (r *reading) object(o ast.Object, s *scope) (Type, bool) {
	out, known, holds := &object{map[string]Type{}}, true, true
	o.Foreach(func(key, value *ast.Term) {
		r.term(key, s)
		one, ok := r.term(value, s)
		holds = holds && ok
		if name, ok := key.Value.(ast.String); ok {
			out.members[string(name)] = one
		} else {
			known = false
		}
	})
	if !known {
		return Type{}, holds
	}
	return typeOf(out), holds
}

// PodTemplates is the parameter that says where custom resources have their Pod template. What a rule makes of it never is of a built-in
// kind, and only of those anything is known.
const PodTemplates = "podTemplates"

// ref is what a reference leads to. It returns false if that is nothing, ever.
func (r *reading) ref(ref ast.Ref, s *scope) (Type, bool) {
	if len(ref) > 2 && ref[0].Equal(ast.InputRootDocument) && ref[1].Equal(ast.InternedTerm("parameters")) && ref[2].Equal(ast.InternedTerm(PodTemplates)) {
		return Type{}, false
	}
	t, at := Type{}, 1
	if ref[0].Equal(ast.DefaultRootDocument) {
		t, at = r.data(ref)
	} else {
		t, _ = r.term(ref[0], s)
	}
	lost := false
	for ; at < len(ref); at++ {
		if name, ok := ref[at].Value.(ast.String); ok {
			next, there := t.Field(string(name))
			if !there && !lost && r.quiet == 0 {
				r.missing(missing{ref[:at+1], t, s.at})
			}
			lost = lost || !there
			t = next
			continue
		}
		key, _ := r.term(ref[at], s)
		t = t.under(key)
	}
	return t, !lost
}

// data is what the rule is that a reference names, and how much of the reference that is.
func (r *reading) data(ref ast.Ref) (Type, int) {
	for i := 2; i <= len(ref.ConstantPrefix()); i++ {
		var named []*ast.Rule
		for _, rule := range r.compiler.GetRulesWithPrefix(ref[:i]) {
			if rule.Module.Package.Path.Equal(ref[:i-1]) {
				named = append(named, rule)
			}
		}
		if len(named) > 0 {
			return r.named(ref[:i].String(), named), i
		}
	}
	return Type{}, len(ref)
}

// named is what rules of one name make together.
func (r *reading) named(name string, rules []*ast.Rule) Type {
	if t, known := r.rules[name]; known {
		return t
	}
	r.rules[name] = Type{} // until it is known, for the case that it leads back here
	var all []Type
	r.quiet++
	for _, rule := range rules {
		if len(rule.Head.Args) > 0 {
			all = append(all, Type{})
		} else if t, ok := r.rule(rule); ok {
			all = append(all, t)
		}
	}
	r.quiet--
	r.rules[name] = union(all...)
	return r.rules[name]
}

// modules are those of a package, in the order of their names.
func (r *reading) modules(pkg ast.Ref) (out []*ast.Module) {
	for _, name := range slices.Sorted(maps.Keys(r.compiler.Modules)) {
		if module := r.compiler.Modules[name]; module.Package.Path.Equal(pkg) {
			out = append(out, module)
		}
	}
	return out
}
