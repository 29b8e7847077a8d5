package plan

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// implied is how many parameters every function has before its own: input and data.
const implied = 2

// function is a rule, or a function, that a plan calls.
type function struct {
	number int
	shared string // its name, if its value is shared by all who share a Memory
	params []int
	locals int
	blocks [][]step
}

// loader turns statements into steps.
type loader struct {
	functions map[string]*function
	dynamic   map[string]*function // those without parameters of their own, by dynamicName
	constants []*ast.Term
	strict    bool
	locals    int         // of the function that is being read
	changes   map[int]int // of the same: how many statements put something into the set or object of each local
}

func (l *loader) function(f *ir.Func) error {
	l.locals, l.changes = 0, map[int]int{}
	l.count(f.Blocks)
	fn := l.functions[f.Name]
	for _, param := range f.Params {
		fn.params = append(fn.params, l.local(param))
	}
	l.local(f.Return)
	blocks, err := l.blocks(f.Blocks)
	fn.blocks, fn.locals = blocks, l.locals
	return err
}

func (l *loader) local(n ir.Local) int {
	l.locals = max(l.locals, int(n)+1)
	return int(n)
}

func (l *loader) blocks(blocks []*ir.Block) ([][]step, error) {
	out := make([][]step, len(blocks))
	for i, b := range blocks {
		var err error
		if out[i], err = l.block(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *loader) block(b *ir.Block) ([]step, error) {
	out := make([]step, 0, len(b.Stmts))
	for at := 0; at < len(b.Stmts); at++ {
		if steps, n := l.literals(b.Stmts[at:]); n > 0 {
			out = append(out, steps...)
			at += n - 1
			continue
		}
		s, err := l.step(b.Stmts[at])
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// operand is a constant or the value of a local.
type operand struct {
	constant *ast.Term
	local    int
}

func (l *loader) operand(o ir.Operand) operand {
	switch v := o.Value.(type) {
	case ir.StringIndex:
		return operand{constant: l.constants[v]}
	case ir.Bool:
		return operand{constant: ast.InternedTerm(bool(v))}
	case ir.Local:
		return operand{local: l.local(v)}
	}
	return operand{local: -1} // which no function has
}

func (l *loader) operands(list []ir.Operand) []operand {
	out := make([]operand, len(list))
	for i, o := range list {
		out[i] = l.operand(o)
	}
	return out
}

// step is the table of all statements.
func (l *loader) step(stmt ir.Stmt) (step, error) {
	switch s := stmt.(type) {
	case *ir.AssignVarOnceStmt:
		return assignOnce(l.operand(s.Source), l.local(s.Target)), nil
	case *ir.AssignVarStmt:
		return assign(l.operand(s.Source), l.local(s.Target)), nil
	case *ir.ResetLocalStmt:
		return assign(operand{local: -1}, l.local(s.Target)), nil
	case *ir.MakeNullStmt:
		return assign(operand{constant: ast.InternedNullTerm}, l.local(s.Target)), nil
	case *ir.MakeNumberIntStmt:
		return assign(operand{constant: ast.InternedTerm(int(s.Value))}, l.local(s.Target)), nil
	case *ir.AssignIntStmt:
		return assign(operand{constant: ast.InternedTerm(int(s.Value))}, l.local(s.Target)), nil
	case *ir.MakeNumberRefStmt:
		text, _ := l.constants[s.Index].Value.(ast.String)
		return assign(operand{constant: ast.NewTerm(ast.Number(json.Number(text)))}, l.local(s.Target)), nil
	case *ir.MakeArrayStmt:
		return makeNew(l.local(s.Target), func() ast.Value { return ast.NewArray() }), nil
	case *ir.MakeObjectStmt:
		return makeNew(l.local(s.Target), func() ast.Value { return ast.NewObject() }), nil
	case *ir.MakeSetStmt:
		return makeNew(l.local(s.Target), func() ast.Value { return ast.NewSet() }), nil
	case *ir.ArrayAppendStmt:
		return appendTo(l.local(s.Array), l.operand(s.Value)), nil
	case *ir.SetAddStmt:
		return addTo(l.local(s.Set), l.operand(s.Value)), nil
	case *ir.ObjectInsertStmt:
		return insertInto(l.local(s.Object), l.operand(s.Key), l.operand(s.Value), false), nil
	case *ir.ObjectInsertOnceStmt:
		return insertInto(l.local(s.Object), l.operand(s.Key), l.operand(s.Value), true), nil
	case *ir.DotStmt:
		return lookUp(l.operand(s.Source), l.operand(s.Key), l.local(s.Target)), nil
	case *ir.LenStmt:
		return length(l.operand(s.Source), l.local(s.Target)), nil
	case *ir.EqualStmt:
		return compare(l.operand(s.A), l.operand(s.B), true), nil
	case *ir.NotEqualStmt:
		return compare(l.operand(s.A), l.operand(s.B), false), nil
	case *ir.IsArrayStmt:
		return is[*ast.Array](l.operand(s.Source)), nil
	case *ir.IsObjectStmt:
		return is[ast.Object](l.operand(s.Source)), nil
	case *ir.IsSetStmt:
		return is[ast.Set](l.operand(s.Source)), nil
	case *ir.IsDefinedStmt:
		return isDefined(l.local(s.Source), true), nil
	case *ir.IsUndefinedStmt:
		return isDefined(l.local(s.Source), false), nil
	case *ir.NopStmt:
		return func(*machine, []*ast.Term) signal { return goOn }, nil
	case *ir.BreakStmt:
		return func(*machine, []*ast.Term) signal { return signal(s.Index) + 1 }, nil
	case *ir.ReturnLocalStmt:
		return giveBack(l.local(s.Source)), nil
	case *ir.BlockStmt:
		blocks, err := l.blocks(s.Blocks)
		return nested(blocks), err
	case *ir.NotStmt:
		block, err := l.block(s.Block)
		return not(block), err
	case *ir.ScanStmt:
		block, err := l.block(s.Block)
		return scan(l.local(s.Source), l.local(s.Key), l.local(s.Value), block), err
	case *ir.WithStmt:
		block, err := l.block(s.Block)
		path := make([]*ast.Term, len(s.Path))
		for i, name := range s.Path {
			path[i] = l.constants[name]
		}
		return with(l.local(s.Local), path, l.operand(s.Value), block), err
	case *ir.CallStmt:
		return l.call(s)
	case *ir.CallDynamicStmt:
		return l.callDynamic(s)
	}
	return nil, fmt.Errorf("a statement %T cannot be run", stmt)
}

func (l *loader) call(s *ir.CallStmt) (step, error) {
	args, result := l.operands(s.Args), l.local(s.Result)
	if fn := l.functions[s.Func]; fn != nil {
		if len(args) == implied {
			return callOnce(fn, args, result), nil
		}
		return call(fn, args, result), nil
	}
	builtin, declared := topdown.GetBuiltin(s.Func), ast.BuiltinMap[s.Func]
	if builtin == nil || declared == nil || declared.Decl.Result() == nil {
		return nil, fmt.Errorf("the function %s cannot be called", s.Func)
	}
	if declared.Relation {
		return callRelation(builtin, args, result, l.strict), nil
	}
	return callBuiltin(builtin, args, result, l.strict), nil
}

func (l *loader) callDynamic(s *ir.CallDynamicStmt) (step, error) {
	args := make([]operand, len(s.Args))
	for i, arg := range s.Args {
		args[i] = operand{local: l.local(arg)}
	}
	if len(args) != implied {
		return nil, errors.New("a function with parameters cannot be called by a path")
	}
	return callDynamic(l.dynamic, l.operands(s.Path), args, l.local(s.Result)), nil
}
