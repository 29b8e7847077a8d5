package plan

import (
	"encoding/json"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// literals makes constants of the arrays, sets and objects that the first n statements put together of nothing but constants: they need not be put
// together at each evaluation. n is 0 if there are none. A set or object into which a later statement puts something is none.
func (l *loader) literals(stmts []ir.Stmt) (steps []step, n int) {
	made, puts := map[int]*ast.Term{}, map[int]int{}
	value := func(o ir.Operand) *ast.Term {
		if local, ok := o.Value.(ir.Local); ok {
			return made[int(local)]
		}
		return l.operand(o).constant
	}
	var order []int
	start := func(local ir.Local, term *ast.Term) bool {
		if made[int(local)] != nil {
			return false
		}
		made[int(local)] = term
		order = append(order, int(local))
		return true
	}
	one := func(stmt ir.Stmt) bool {
		switch s := stmt.(type) {
		case *ir.MakeArrayStmt:
			return start(s.Target, ast.ArrayTerm())
		case *ir.MakeSetStmt:
			return start(s.Target, ast.SetTerm())
		case *ir.MakeObjectStmt:
			return start(s.Target, ast.ObjectTerm())
		case *ir.MakeNullStmt:
			return start(s.Target, ast.InternedNullTerm)
		case *ir.MakeNumberIntStmt:
			return start(s.Target, ast.InternedTerm(int(s.Value)))
		case *ir.MakeNumberRefStmt:
			text, _ := l.constants[s.Index].Value.(ast.String)
			return start(s.Target, ast.NewTerm(ast.Number(json.Number(text))))
		case *ir.ArrayAppendStmt:
			array, ok := valueOf[*ast.Array](made[int(s.Array)])
			element := value(s.Value)
			if ok = ok && element != nil; ok {
				made[int(s.Array)] = appended(array, element)
			}
			return ok
		case *ir.SetAddStmt:
			set, ok := valueOf[ast.Set](made[int(s.Set)])
			element := value(s.Value)
			if ok = ok && element != nil; ok {
				set.Add(element)
				puts[int(s.Set)]++
			}
			return ok
		case *ir.ObjectInsertStmt:
			object, ok := valueOf[ast.Object](made[int(s.Object)])
			k, v := value(s.Key), value(s.Value)
			if ok = ok && k != nil && v != nil; ok {
				object.Insert(k, v)
				puts[int(s.Object)]++
			}
			return ok
		}
		return false
	}
	for n < len(stmts) && one(stmts[n]) {
		n++
	}
	if n < 2 || slices.ContainsFunc(order, func(local int) bool { return puts[local] != l.changes[local] }) {
		return nil, 0
	}
	for _, local := range order {
		steps = append(steps, assign(operand{constant: made[local]}, l.local(ir.Local(local))))
	}
	return steps, n
}

// appended is an array without the room for more that Append leaves, into which several evaluations might append at once.
func appended(array *ast.Array, element *ast.Term) *ast.Term {
	elements := make([]*ast.Term, 0, array.Len()+1)
	array.Foreach(func(known *ast.Term) { elements = append(elements, known) })
	return ast.NewTerm(ast.NewArray(append(elements, element)...))
}

// count counts the statements that put something into a set or object.
func (l *loader) count(blocks []*ir.Block) {
	for _, b := range blocks {
		for _, stmt := range b.Stmts {
			switch s := stmt.(type) {
			case *ir.SetAddStmt:
				l.changes[int(s.Set)]++
			case *ir.ObjectInsertStmt:
				l.changes[int(s.Object)]++
			case *ir.ObjectInsertOnceStmt:
				l.changes[int(s.Object)]++
			case *ir.BlockStmt:
				l.count(s.Blocks)
			case *ir.NotStmt:
				l.count([]*ir.Block{s.Block})
			case *ir.ScanStmt:
				l.count([]*ir.Block{s.Block})
			case *ir.WithStmt:
				l.count([]*ir.Block{s.Block})
			}
		}
	}
}
