package plan

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

func assign(source operand, target int) step {
	return func(_ *machine, locals []*ast.Term) signal {
		locals[target] = source.of(locals)
		return goOn
	}
}

// assignOnce gives a rule its value. A second one that differs is a conflict.
func assignOnce(source operand, target int) step {
	return func(m *machine, locals []*ast.Term) signal {
		value := source.of(locals)
		switch known := locals[target]; {
		case value == nil:
			return m.fail(errUnfit)
		case known == nil:
			locals[target] = value
		case !known.Equal(value):
			return m.fail(errConflict)
		}
		return goOn
	}
}

func makeNew(target int, empty func() ast.Value) step {
	return func(_ *machine, locals []*ast.Term) signal {
		locals[target] = ast.NewTerm(empty())
		return goOn
	}
}

func appendTo(array int, value operand) step {
	return func(m *machine, locals []*ast.Term) signal {
		known, ok := valueOf[*ast.Array](locals[array])
		element := value.of(locals)
		if !ok || element == nil {
			return m.fail(errUnfit)
		}
		locals[array] = ast.NewTerm(known.Append(element))
		return goOn
	}
}

func addTo(set int, value operand) step {
	return func(m *machine, locals []*ast.Term) signal {
		known, ok := valueOf[ast.Set](locals[set])
		element := value.of(locals)
		if !ok || element == nil {
			return m.fail(errUnfit)
		}
		known.Add(element)
		return goOn
	}
}

func insertInto(object int, key, value operand, once bool) step {
	return func(m *machine, locals []*ast.Term) signal {
		known, ok := valueOf[ast.Object](locals[object])
		k, v := key.of(locals), value.of(locals)
		if !ok || k == nil || v == nil {
			return m.fail(errUnfit)
		}
		if once {
			if before := known.Get(k); before != nil && !before.Equal(v) {
				return m.fail(errConflict)
			}
		}
		known.Insert(k, v)
		return goOn
	}
}

func lookUp(source, key operand, target int) step {
	return func(_ *machine, locals []*ast.Term) signal {
		from, k := source.of(locals), key.of(locals)
		if from == nil || k == nil {
			return leave
		}
		var found *ast.Term
		switch v := from.Value.(type) {
		case ast.Object:
			found = v.Get(k)
		case *ast.Array:
			found = v.Get(k)
		case ast.Set:
			if v.Contains(k) {
				found = k
			}
		}
		if found == nil {
			return leave
		}
		locals[target] = found
		return goOn
	}
}

func length(source operand, target int) step {
	return func(m *machine, locals []*ast.Term) signal {
		from := source.of(locals)
		if from == nil {
			return m.fail(errUnfit)
		}
		var n int
		switch v := from.Value.(type) {
		case ast.Object:
			n = v.Len()
		case *ast.Array:
			n = v.Len()
		case ast.Set:
			n = v.Len()
		default:
			return m.fail(errUnfit)
		}
		locals[target] = ast.InternedTerm(n)
		return goOn
	}
}

func compare(a, b operand, equal bool) step {
	return func(m *machine, locals []*ast.Term) signal {
		x, y := a.of(locals), b.of(locals)
		if x == nil || y == nil {
			return m.fail(errUnfit)
		}
		if x.Equal(y) != equal {
			return leave
		}
		return goOn
	}
}

func is[T ast.Value](source operand) step {
	return func(_ *machine, locals []*ast.Term) signal {
		if _, ok := valueOf[T](source.of(locals)); !ok {
			return leave
		}
		return goOn
	}
}

func isDefined(source int, want bool) step {
	return func(_ *machine, locals []*ast.Term) signal {
		if (locals[source] != nil) != want {
			return leave
		}
		return goOn
	}
}

func giveBack(source int) step {
	return func(m *machine, locals []*ast.Term) signal {
		m.result = locals[source]
		return returned
	}
}

func nested(blocks [][]step) step {
	return func(m *machine, locals []*ast.Term) signal {
		for _, block := range blocks {
			switch got := through(block, m, locals); {
			case got < goOn:
				return got
			case got > leave:
				return got - 1
			}
		}
		return goOn
	}
}

func not(block []step) step {
	return func(m *machine, locals []*ast.Term) signal {
		switch got := through(block, m, locals); {
		case got < goOn:
			return got
		case got > leave:
			return got - 1
		case got == goOn:
			return leave
		}
		return goOn
	}
}

func scan(source, key, value int, block []step) step {
	// each returns goOn for the next one.
	each := func(m *machine, locals []*ast.Term, k, v *ast.Term) signal {
		if m.stopped() {
			return failed
		}
		locals[key], locals[value] = k, v
		switch got := through(block, m, locals); {
		case got < goOn:
			return got
		case got > leave:
			return got - 1
		}
		return goOn
	}
	return func(m *machine, locals []*ast.Term) signal {
		if locals[source] == nil {
			return goOn
		}
		switch v := locals[source].Value.(type) {
		case *ast.Array:
			for i := range v.Len() {
				if got := each(m, locals, ast.InternedTerm(i), v.Elem(i)); got != goOn {
					return got
				}
			}
		case ast.Set:
			for _, element := range v.Slice() {
				if got := each(m, locals, element, element); got != goOn {
					return got
				}
			}
		case ast.Object:
			got := goOn
			v.Until(func(k, v *ast.Term) bool {
				got = each(m, locals, k, v)
				return got != goOn
			})
			return got
		}
		return goOn
	}
}

// with replaces a local, or what lies below it, while a block runs. What was worked out before does not hold in there.
func with(local int, path []*ast.Term, value operand, block []step) step {
	return func(m *machine, locals []*ast.Term) signal {
		before, memos, memory := locals[local], m.memo, m.memory
		put := value.of(locals)
		if put == nil {
			return m.fail(errUnfit)
		}
		replaced, ok := put, true
		if len(path) > 0 {
			replaced, ok = upsert(before, path, put)
		}
		if !ok {
			return m.fail(errUnfit)
		}
		locals[local], m.memo, m.memory = replaced, make([]memo, len(memos)), nil
		got := through(block, m, locals)
		locals[local], m.memo, m.memory = before, memos, memory
		if got > leave {
			return got - 1
		}
		return got
	}
}

// upsert returns a copy of a value in which another one is at the path.
func upsert(in *ast.Term, path []*ast.Term, value *ast.Term) (*ast.Term, bool) {
	if len(path) == 0 {
		return value, true
	}
	members := make([][2]*ast.Term, 0, 8)
	var below *ast.Term
	if in != nil {
		object, ok := in.Value.(ast.Object)
		if !ok {
			return nil, false
		}
		object.Foreach(func(k, v *ast.Term) {
			if k.Equal(path[0]) {
				below = v
				return
			}
			members = append(members, [2]*ast.Term{k, v})
		})
	}
	replaced, ok := upsert(below, path[1:], value)
	if !ok {
		return nil, false
	}
	return ast.ObjectTerm(append(members, [2]*ast.Term{path[0], replaced})...), true
}

func valueOf[T ast.Value](term *ast.Term) (T, bool) {
	if term == nil {
		var none T
		return none, false
	}
	v, ok := term.Value.(T)
	return v, ok
}
