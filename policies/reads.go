package policies

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
)

// readFields calls read with everything that compiled modules read below data.kubernetes[kind]; whole says whether all that lies there is
// read or merely that it is there. Values are followed through local variables, "every" and the arguments of functions; where one gets
// out of sight, all of it counts as read.
//
// That is sound because only three uses of a value do not look at the whole of it: to take a part of it by a reference, to bind it to a
// variable that nothing else binds, and to pass it to a function of the policy that takes it as a variable. Whatever else mentions
// it, a second equality included, may compare it or hand it on.
func readFields(compiler *ast.Compiler, read func(kind inventory.Kind, path []inventory.Step, whole bool)) {
	r := &reads{compiler: compiler, read: read, seen: map[string]bool{}}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			r.rule(rule, "", origin{})
		}
	}
}

// reads is one analysis in progress.
type reads struct {
	compiler *ast.Compiler
	read     func(inventory.Kind, []inventory.Step, bool)
	seen     map[string]bool // functions with an argument and what is passed in it
}

// origin is where in the inventory a value is from. The zero value is nowhere.
type origin struct {
	kind inventory.Kind
	path []inventory.Step
}

// maxPath bounds what is followed; a value further down is read with all around it.
const maxPath = 64

func (o origin) below(steps ...*ast.Term) origin {
	path := make([]inventory.Step, 0, len(o.path)+len(steps))
	path = append(path, o.path...)
	for _, step := range steps {
		if name, ok := step.Value.(ast.String); ok {
			path = append(path, inventory.Step{Name: string(name)})
		} else {
			path = append(path, inventory.Step{Any: true})
		}
	}
	return origin{kind: o.kind, path: path}
}

func (o origin) key() string { return fmt.Sprintf("%s %v", o.kind, o.path) }

func (r *reads) note(o origin, whole bool) {
	if len(o.path) > maxPath {
		o.path, whole = o.path[:maxPath], true
	}
	r.read(o.kind, o.path, whole)
}

// rule examines one rule, given that its parameter is from passed.
func (r *reads) rule(rule *ast.Rule, parameter ast.Var, passed origin) {
	u := uses{bindings: map[ast.Var][]binding{}}
	for _, argument := range rule.Head.Args {
		v, ok := argument.Value.(ast.Var)
		switch {
		case !ok:
			u.collect(argument)
		case v == parameter:
			u.bindings[v] = append(u.bindings[v], binding{from: passed})
		default:
			u.bindings[v] = append(u.bindings[v], binding{})
		}
	}
	u.collect(rule.Head.Reference)
	for _, term := range []*ast.Term{rule.Head.Key, rule.Head.Value} {
		if term != nil {
			u.collect(term)
		}
	}
	u.collect(rule.Body)
	if rule.Else != nil {
		u.collect(rule.Else)
	}
	known := u.solve()
	for v, origins := range known {
		for _, o := range origins {
			r.note(o, len(u.bindings[v]) > 1)
		}
	}
	for _, term := range u.touched {
		for _, o := range known.of(term) {
			r.note(o, false)
		}
	}
	for _, term := range u.mentioned {
		for _, o := range known.of(term) {
			r.note(o, true)
		}
	}
	for _, call := range u.calls {
		for i, argument := range call.Operands() {
			for _, o := range known.of(argument) {
				r.pass(call.Operator(), i, o)
			}
		}
	}
}

// pass follows a value into a function.
func (r *reads) pass(function ast.Ref, at int, o origin) {
	rules := r.compiler.GetRulesExact(function)
	if len(rules) == 0 || len(o.path) > maxPath { // a function built in
		r.note(o, true)
		return
	}
	key := fmt.Sprintf("%s %d %s", function, at, o.key())
	if r.seen[key] {
		return
	}
	r.seen[key] = true
	for _, rule := range rules {
		if at >= len(rule.Head.Args) || rule.Else != nil {
			r.note(o, true)
			continue
		}
		parameter, ok := rule.Head.Args[at].Value.(ast.Var)
		if !ok {
			r.note(o, true)
			continue
		}
		r.rule(rule, parameter, o)
	}
}

// uses is how a rule uses its variables and references.
type uses struct {
	bindings  map[ast.Var][]binding
	touched   []*ast.Term // asked for by themselves, and so whether they are there
	mentioned []*ast.Term
	calls     []*ast.Expr
}

// binding is one of the ways in which a variable gets its value: from a term, from each element of one, or, as a parameter, from outside.
type binding struct {
	term    *ast.Term
	element bool
	from    origin
}

// collect sorts everything below a node by its use.
func (u *uses) collect(node any) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref: // a rule's own name
			u.operands(x)
			return true
		case *ast.Expr:
			return u.expression(x)
		case *ast.Every:
			u.every(x)
			return true
		case *ast.Term:
			switch value := x.Value.(type) {
			case ast.Var:
				u.mentioned = append(u.mentioned, x)
			case ast.Ref:
				u.mentioned = append(u.mentioned, x)
				u.operands(value)
				return true
			}
		}
		return false
	}).Walk(node)
}

// operands collects what a reference is made with; its head is not mentioned by itself.
func (u *uses) operands(ref ast.Ref) {
	for i, term := range ref {
		if _, ok := term.Value.(ast.Var); i > 0 || !ok {
			u.collect(term)
		}
	}
}

// expression collects an expression that uses its terms in a way of its own, and reports whether it is one.
func (u *uses) expression(x *ast.Expr) bool {
	switch terms := x.Terms.(type) {
	case *ast.Term:
		if ref, ok := terms.Value.(ast.Ref); ok {
			u.touched = append(u.touched, terms)
			u.operands(ref)
		} else {
			u.collect(terms)
		}
	case []*ast.Term:
		switch {
		case x.IsEquality() && len(terms) == 3:
			u.equality(terms[1], terms[2])
		case x.IsCall():
			u.calls = append(u.calls, x)
			for _, argument := range x.Operands() {
				switch value := argument.Value.(type) {
				case ast.Var: // the call says how it is used
				case ast.Ref:
					u.operands(value)
				default:
					u.collect(argument)
				}
			}
		default:
			return false
		}
	default:
		return false
	}
	for _, with := range x.With {
		u.collect(with)
	}
	return true
}

// equality binds a variable to a reference, or else compares.
func (u *uses) equality(a, b *ast.Term) {
	for _, sides := range [][2]*ast.Term{{a, b}, {b, a}} {
		v, isVar := sides[0].Value.(ast.Var)
		ref, isRef := sides[1].Value.(ast.Ref)
		if isVar && isRef {
			u.bindings[v] = append(u.bindings[v], binding{term: sides[1]})
			u.operands(ref)
			return
		}
	}
	u.collect(a)
	u.collect(b)
}

func (u *uses) every(x *ast.Every) {
	if v, ok := x.Value.Value.(ast.Var); ok {
		u.bindings[v] = append(u.bindings[v], binding{term: x.Domain, element: true})
	} else {
		u.collect(x.Domain)
	}
	if x.Key != nil {
		u.collect(x.Key)
	}
	u.collect(x.Body)
}

// origins tells from where in the inventory variables are.
type origins map[ast.Var][]origin

// solve works out where variables are from: each step may tell where others are, and no value is part of itself.
func (u *uses) solve() origins {
	known := origins{}
	seen := map[string]bool{}
	for again := true; again; {
		again = false
		for v, bindings := range u.bindings {
			for _, b := range bindings {
				for _, o := range b.origins(known) {
					if key := string(v) + " " + o.key(); !seen[key] && len(o.path) <= maxPath {
						seen[key], again = true, true
						known[v] = append(known[v], o)
					} else if len(o.path) > maxPath {
						u.mentioned = append(u.mentioned, b.term)
					}
				}
			}
		}
	}
	return known
}

func (b binding) origins(known origins) []origin {
	switch {
	case b.from.kind != "":
		return []origin{b.from}
	case b.term == nil:
		return nil
	}
	found := known.of(b.term)
	if !b.element {
		return found
	}
	elements := make([]origin, len(found))
	for i, o := range found {
		elements[i] = origin{kind: o.kind, path: append(append([]inventory.Step{}, o.path...), inventory.Step{Any: true})}
	}
	return elements
}

// of returns where in the inventory a term may be from.
func (k origins) of(term *ast.Term) []origin {
	switch value := term.Value.(type) {
	case ast.Var:
		return k[value]
	case ast.Ref:
		if inInventory(value) {
			if len(value) < 3 {
				return nil // compiling it is an error
			}
			kind, _ := value[2].Value.(ast.String)
			return []origin{origin{kind: inventory.Kind(kind)}.below(value[3:]...)}
		}
		if head, ok := value[0].Value.(ast.Var); ok {
			var out []origin
			for _, o := range k[head] {
				out = append(out, o.below(value[1:]...))
			}
			return out
		}
	}
	return nil
}
