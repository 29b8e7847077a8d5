package plan

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/ir"
)

// places is a set of what a local may hold: parts of the input on the way to what is perhaps not read, and anything else.
type places uint64

const (
	anything places = 1 << 63 // else
	scalar   places = 1 << 62 // a null, boolean, number or string that the rules spell out
	maxNodes        = 62
)

// node is one part of the input.
type node struct {
	below  map[string]int
	wanted bool // it is, or holds, what is perhaps not read
	end    bool // it is that
	empty  bool // every input has nothing there, or an empty object
}

// analysis finds out whether a plan reads some parts of the input: by what each local may hold at each statement, function by function, until
// nothing new is learnt. What gets out of sight, into a builtin function, an array or a comparison, counts as read.
type analysis struct {
	made   *ir.Policy
	nodes  []node
	known  map[string]*behaviour
	grown  bool
	reads  bool
	closed bool // nothing puts another input in the place of the one there is
}

// behaviour is what is known of a function.
type behaviour struct {
	function *ir.Func
	params   []places
	result   places
}

// ignores reports whether a plan never looks at the parts of the input that may be unread, nor at a whole in which they are, as long as there is
// nothing in those that are empty.
func ignores(made *ir.Policy, entry string, unread, empty [][]string) bool {
	a := &analysis{made: made, nodes: []node{{wanted: true}}, known: map[string]*behaviour{}, closed: true}
	for _, path := range unread {
		a.add(path, node{wanted: true, end: true})
	}
	for _, path := range empty {
		a.add(path, node{empty: true})
	}
	if len(unread) == 0 || len(a.nodes) > maxNodes {
		return false
	}
	for _, f := range made.Funcs.Funcs {
		a.known[f.Name] = &behaviour{function: f, params: make([]places, len(f.Params))}
		a.closed = a.closed && !replaces(f.Blocks)
	}
	a.known[entry].params[0], a.known[entry].params[1] = 1, anything
	for a.grown = true; a.grown && !a.reads; {
		a.grown = false
		for _, f := range made.Funcs.Funcs {
			a.function(a.known[f.Name])
		}
	}
	return !a.reads && a.known[entry].result&a.wanted() == 0
}

func (a *analysis) add(path []string, last node) {
	at := 0
	for i, name := range path {
		next, ok := a.nodes[at].below[name]
		if !ok {
			next = len(a.nodes)
			a.nodes = append(a.nodes, node{})
			if a.nodes[at].below == nil {
				a.nodes[at].below = map[string]int{}
			}
			a.nodes[at].below[name] = next
		}
		at = next
		a.nodes[at].wanted = a.nodes[at].wanted || last.wanted
		if i == len(path)-1 {
			a.nodes[at].end, a.nodes[at].empty = last.end, last.empty
		}
	}
}

// wanted are the places that must not get out of sight.
func (a *analysis) wanted() (out places) {
	for i, n := range a.nodes {
		if n.wanted {
			out |= 1 << i
		}
	}
	return out
}

// replaces reports whether some statement is a "with".
func replaces(blocks []*ir.Block) bool {
	return slices.ContainsFunc(blocks, func(b *ir.Block) bool {
		return slices.ContainsFunc(b.Stmts, func(stmt ir.Stmt) bool {
			switch s := stmt.(type) {
			case *ir.WithStmt:
				return true
			case *ir.BlockStmt:
				return replaces(s.Blocks)
			case *ir.NotStmt:
				return replaces([]*ir.Block{s.Block})
			case *ir.ScanStmt:
				return replaces([]*ir.Block{s.Block})
			}
			return false
		})
	})
}

// state is what each local may hold; one that is not in it is undefined.
type state map[ir.Local]places

// join adds what another state may hold, and reports whether that is more.
func (s state) join(other state) (more bool) {
	for local, held := range other {
		if s[local]|held != s[local] {
			s[local] |= held
			more = true
		}
	}
	return more
}

func (a *analysis) function(b *behaviour) {
	held := state{}
	for i, param := range b.function.Params {
		held[param] = b.params[i]
	}
	a.blocks(b, b.function.Blocks, held)
}

// blocks follows blocks one after the other. Each may be left at any statement, so that what comes after it may find whatever held in it.
func (a *analysis) blocks(b *behaviour, blocks []*ir.Block, held state) {
	for _, block := range blocks {
		now := maps.Clone(held)
		for _, stmt := range block.Stmts {
			if !a.statement(b, stmt, now) {
				break
			}
			held.join(now)
		}
	}
}

func (a *analysis) block(b *behaviour, block *ir.Block, held state) {
	a.blocks(b, []*ir.Block{block}, held)
}

func (a *analysis) of(o ir.Operand, held state) places {
	if local, ok := o.Value.(ir.Local); ok {
		return held[local]
	}
	return scalar
}

// sees notes that the whole of what operands hold is looked at.
func (a *analysis) sees(held state, operands ...ir.Operand) {
	for _, o := range operands {
		a.reads = a.reads || a.of(o, held)&a.wanted() != 0
	}
}

// statement follows one statement, and reports whether there is a way past it.
func (a *analysis) statement(b *behaviour, stmt ir.Stmt, held state) bool {
	switch s := stmt.(type) {
	case *ir.AssignVarStmt:
		held[s.Target] = a.of(s.Source, held)
	case *ir.AssignVarOnceStmt:
		if held[s.Target] != 0 { // they are compared
			a.sees(held, s.Source, ir.Operand{Value: s.Target})
		}
		held[s.Target] |= a.of(s.Source, held)
	case *ir.ResetLocalStmt:
		held[s.Target] = 0
	case *ir.MakeNullStmt:
		held[s.Target] = scalar
	case *ir.MakeNumberIntStmt:
		held[s.Target] = scalar
	case *ir.AssignIntStmt:
		held[s.Target] = scalar
	case *ir.MakeNumberRefStmt:
		held[s.Target] = scalar
	case *ir.MakeArrayStmt:
		held[s.Target] = anything
	case *ir.MakeObjectStmt:
		held[s.Target] = anything
	case *ir.MakeSetStmt:
		held[s.Target] = anything
	case *ir.ArrayAppendStmt:
		a.sees(held, s.Value)
	case *ir.SetAddStmt:
		a.sees(held, s.Value)
	case *ir.ObjectInsertStmt:
		a.sees(held, s.Key, s.Value)
	case *ir.ObjectInsertOnceStmt:
		a.sees(held, s.Key, s.Value)
	case *ir.DotStmt:
		a.sees(held, s.Key)
		held[s.Target] = a.dot(s.Source, s.Key, held)
	case *ir.LenStmt:
		a.sees(held, s.Source)
		held[s.Target] = anything
	case *ir.EqualStmt:
		a.compared(s.A, s.B, held)
	case *ir.NotEqualStmt:
		a.compared(s.A, s.B, held)
	case *ir.IsUndefinedStmt:
		held[s.Source] = 0
	case *ir.IsArrayStmt, *ir.IsObjectStmt, *ir.IsSetStmt, *ir.IsDefinedStmt, *ir.NopStmt:
	case *ir.BreakStmt:
		return false
	case *ir.ReturnLocalStmt:
		a.grow(&b.result, held[s.Source])
		return false
	case *ir.BlockStmt:
		a.blocks(b, s.Blocks, held)
	case *ir.NotStmt:
		a.block(b, s.Block, held)
	case *ir.ScanStmt:
		if a.empty(held[s.Source]) {
			break
		}
		a.sees(held, ir.Operand{Value: s.Source})
		for again := true; again; {
			before := maps.Clone(held)
			held[s.Key], held[s.Value] = held[s.Key]|anything, held[s.Value]|anything
			a.block(b, s.Block, held)
			again = before.join(held)
		}
	case *ir.WithStmt:
		a.sees(held, s.Value)
		a.block(b, s.Block, held)
	case *ir.CallStmt:
		a.call(s, held)
		return held[s.Result] != 0 // as far as is known yet, it is always undefined
	default:
		a.reads = true
	}
	return true
}

// dot is what may be found below what a source may hold.
func (a *analysis) dot(source, key ir.Operand, held state) (found places) {
	at := a.of(source, held)
	index, constant := key.Value.(ir.StringIndex)
	if !constant {
		a.sees(held, source)
		return anything
	}
	name := a.made.Static.Strings[index].Value
	for i, n := range a.nodes {
		if at&(1<<i) == 0 {
			continue
		}
		next, ok := n.below[name]
		if !ok {
			found |= anything
			continue
		}
		found |= 1 << next
		a.reads = a.reads || a.nodes[next].end
	}
	if at&(anything|scalar) != 0 {
		found |= anything
	}
	return found
}

// empty reports whether there is certainly nothing in what is held.
func (a *analysis) empty(held places) bool {
	for i, n := range a.nodes {
		if n.empty {
			held &^= 1 << i
		}
	}
	return held == 0 && a.closed
}

// compared is for two values that are compared. With a scalar, nothing is seen of the other but that it is none.
func (a *analysis) compared(x, y ir.Operand, held state) {
	if a.of(x, held) != scalar && a.of(y, held) != scalar {
		a.sees(held, x, y)
	}
}

func (a *analysis) call(s *ir.CallStmt, held state) {
	if called := a.known[s.Func]; called != nil {
		for i, arg := range s.Args {
			a.grow(&called.params[i], a.of(arg, held))
		}
		held[s.Result] = called.result
		return
	}
	held[s.Result] = anything
	switch s.Func {
	case "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name":
	case ast.Equal.Name, ast.NotEqual.Name:
		a.compared(s.Args[0], s.Args[1], held)
	case "object.get":
		a.sees(held, s.Args[1])
		held[s.Result] = a.dot(s.Args[0], s.Args[1], held) | a.of(s.Args[2], held) | anything
	default:
		a.sees(held, s.Args...)
	}
}

func (a *analysis) grow(known *places, more places) {
	if *known|more != *known {
		*known |= more
		a.grown = true
	}
}
