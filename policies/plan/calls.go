package plan

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

func call(fn *function, args []operand, result int) step {
	return func(m *machine, locals []*ast.Term) signal {
		top := m.top
		inside := m.push(fn.locals)
		for i, arg := range args {
			inside[fn.params[i]] = arg.of(locals)
		}
		value := m.run(fn, inside)
		m.pop(top)
		return m.took(value, locals, result)
	}
}

// callOnce calls a function without parameters of its own: its value is the same for as long as input and data are.
func callOnce(fn *function, args []operand, result int) step {
	called := call(fn, args, result)
	return func(m *machine, locals []*ast.Term) signal {
		known := m.memo[fn.number]
		shares := fn.shared != "" && m.memory != nil
		if !known.known && shares {
			known = m.memory.values[fn.shared]
			m.memo[fn.number] = known
		}
		if known.known {
			return m.took(known.value, locals, result)
		}
		got := called(m, locals)
		if got != failed {
			known.known = true
			if got == goOn {
				known.value = locals[result]
			}
			m.memo[fn.number] = known
			if shares {
				m.memory.keep(fn.shared, known)
			}
		}
		return got
	}
}

// callDynamic calls the function without parameters of its own to which a path leads. Where it leads to none, the next block looks among data; where
// the function has no value, there is nothing in either, and the blocks around both are left.
func callDynamic(functions map[string]*function, path, args []operand, result int) step {
	const undefined = 4 * leave
	calls := make(map[string]step, len(functions))
	for name, fn := range functions {
		calls[name] = callOnce(fn, args, result)
	}
	return func(m *machine, locals []*ast.Term) signal {
		names := make([]string, len(path))
		for i, part := range path {
			name, ok := valueOf[ast.String](part.of(locals))
			if !ok {
				return leave
			}
			names[i] = string(name)
		}
		called := calls[dynamicName(names)]
		if called == nil {
			return leave
		}
		if got := called(m, locals); got != leave {
			return got
		}
		return undefined
	}
}

// took puts what a function returned where it belongs.
func (m *machine) took(value *ast.Term, locals []*ast.Term, result int) signal {
	switch {
	case m.err != nil:
		return failed
	case value == nil:
		return leave
	}
	locals[result] = value
	return goOn
}

func callBuiltin(f topdown.BuiltinFunc, args []operand, result int, strict bool) step {
	return func(m *machine, locals []*ast.Term) signal {
		m.output = nil
		if got := m.builtins(f, args, locals, m.take, strict); got != goOn {
			return got
		}
		return m.took(m.output, locals, result)
	}
}

// callRelation makes an array of all that a function yields.
func callRelation(f topdown.BuiltinFunc, args []operand, result int, strict bool) step {
	return func(m *machine, locals []*ast.Term) signal {
		var outputs []*ast.Term
		got := m.builtins(f, args, locals, func(output *ast.Term) error {
			if m.stopped() {
				return topdown.Halt{Err: m.err}
			}
			outputs = append(outputs, output)
			return nil
		}, strict)
		if got == goOn {
			locals[result] = ast.ArrayTerm(outputs...)
		}
		return got
	}
}

// builtins calls a builtin function, with the operands on the stack: no function keeps the slice.
func (m *machine) builtins(f topdown.BuiltinFunc, args []operand, locals []*ast.Term, take func(*ast.Term) error, strict bool) signal {
	top := m.top
	operands := m.push(len(args))
	for i, arg := range args {
		if operands[i] = arg.of(locals); operands[i] == nil {
			return m.fail(errUnfit)
		}
	}
	err := f(m.builtin, operands, take)
	m.pop(top)
	if err == nil {
		return goOn
	}
	if halt, ok := errors.AsType[topdown.Halt](err); ok {
		return m.fail(halt.Err)
	}
	if strict {
		return m.fail(err)
	}
	return leave
}
