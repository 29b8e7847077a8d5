package plan

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
)

// step does one thing with the locals of a function.
type step func(m *machine, locals []*ast.Term) signal

// signal is what comes of a step: to go on, or how many blocks to leave, the one the step is in being the first. What is undefined leaves
// one.
type signal int

const (
	goOn     signal = 0
	leave    signal = 1
	returned signal = -1
	failed   signal = -2
)

// machine is the state of one evaluation.
type machine struct {
	builtin topdown.BuiltinContext
	memo    []memo  // of functions without parameters of their own
	memory  *Memory // nil where "with" changes what rules see
	result  *ast.Term
	output  *ast.Term // of a builtin function
	take    func(*ast.Term) error
	stack   []*ast.Term
	top     int
	steps   int // left
	err     error
}

type memo struct {
	known bool
	value *ast.Term
}

// Memory is what the evaluations of one review have in common: the time, what builtin functions remember, and the values of rules in packages
// that are Shared. Its zero value remembers nothing yet. It is not safe for concurrent use, and of no use for another review.
type Memory struct {
	time   *ast.Term
	cache  builtins.Cache
	values map[string]memo
}

// MemoryAt returns a Memory whose time is at; zero is when it is first asked for.
func MemoryAt(at time.Time) *Memory {
	m := &Memory{}
	if !at.IsZero() {
		m.time = nanoseconds(at)
	}
	return m
}

func nanoseconds(t time.Time) *ast.Term {
	return ast.NumberTerm(json.Number(strconv.FormatInt(t.UnixNano(), 10)))
}

func (m *Memory) now() *ast.Term {
	if m.time == nil {
		m.time = nanoseconds(time.Now())
	}
	return m.time
}

func (m *Memory) builtins() builtins.Cache {
	if m.cache == nil {
		m.cache = builtins.Cache{}
	}
	return m.cache
}

func (m *Memory) keep(name string, value memo) {
	if m.values == nil {
		m.values = map[string]memo{}
	}
	m.values[name] = value
}

// maxSteps bounds how often an evaluation calls functions and turns to the next element: some tens of milliseconds, a hundred times what
// templates as they are written need for a Pod. OPA's evaluation knows short cuts that plans do not, such as to remember calls and to look
// elements up instead of passing through them all, so what takes long here is better left to it at once.
const maxSteps = 100_000

// stackSize is for some ten calls within each other; those that do not fit take memory of their own.
const stackSize = 512

var machines = sync.Pool{New: func() any { //nolint:gochecknoglobals // memory that is used again
	m := &machine{stack: make([]*ast.Term, stackSize)}
	m.take = func(output *ast.Term) error {
		m.output = output
		return nil
	}
	return m
}}

// nowhere is where builtin functions are called, for errors that nobody reads.
var nowhere = &ast.Location{} //nolint:gochecknoglobals // constant

var (
	errConflict  = errors.New("a rule has two values")
	errCancelled = errors.New("it was told to stop")
	errLong      = errors.New("it takes too many steps")
	errUnfit     = errors.New("a value is not what it should be")
)

// Value returns the value of the rule, nil if it is undefined. Any error means that there is no answer here.
func (p *Plan) Value(ctx context.Context, memory *Memory, input, data *ast.Term, cancel topdown.Cancel) (value ast.Value, err error) {
	defer func() {
		if r := recover(); r != nil { // the machine is not used again
			value, err = nil, fmt.Errorf("the plan panicked: %v", r)
		}
	}()
	m, ok := machines.Get().(*machine)
	if !ok {
		return nil, errUnfit
	}
	m.builtin = topdown.BuiltinContext{
		Context: ctx, Metrics: metrics.NoOp(), Seed: rand.Reader, Time: memory.now(), Cancel: cancel,
		Cache: memory.builtins(), Location: nowhere,
	}
	m.memory = memory
	if cap(m.memo) < p.count {
		m.memo = make([]memo, p.count)
	}
	m.memo, m.steps = m.memo[:p.count], maxSteps
	locals := m.push(p.rule.locals)
	locals[p.rule.params[0]], locals[p.rule.params[1]] = input, data
	result := m.run(p.rule, locals)
	if result != nil {
		value = result.Value
	}
	err = m.err
	m.pop(0)
	clear(m.memo)
	m.builtin, m.memory, m.result, m.output, m.err = topdown.BuiltinContext{}, nil, nil, nil, nil
	machines.Put(m)
	return value, err
}

// push makes room for the locals of a function, all undefined.
func (m *machine) push(n int) []*ast.Term {
	if m.top+n > len(m.stack) {
		return make([]*ast.Term, n)
	}
	locals := m.stack[m.top : m.top+n : m.top+n]
	m.top += n
	return locals
}

func (m *machine) pop(top int) {
	clear(m.stack[top:m.top])
	m.top = top
}

// run runs a function, whose parameters are set, and returns its value; nil is undefined, or there was an error.
func (m *machine) run(fn *function, locals []*ast.Term) *ast.Term {
	if m.stopped() {
		return nil
	}
	for _, block := range fn.blocks {
		switch through(block, m, locals) {
		case returned:
			return m.result
		case failed:
			return nil
		default: // the next block, for whatever reason
		}
	}
	return nil
}

// stopped reports, at each call and element, whether to go no further.
func (m *machine) stopped() bool {
	switch m.steps--; {
	case m.steps < 0:
		m.err = errLong
	case m.builtin.Cancel != nil && m.builtin.Cancel.Cancelled():
		m.err = errCancelled
	}
	return m.err != nil
}

func (m *machine) fail(err error) signal {
	m.err = err
	return failed
}

// through runs the steps of a block.
func through(block []step, m *machine, locals []*ast.Term) signal {
	for _, s := range block {
		if got := s(m, locals); got != goOn {
			return got
		}
	}
	return goOn
}

func (o operand) of(locals []*ast.Term) *ast.Term {
	switch {
	case o.constant != nil:
		return o.constant
	case o.local < 0:
		return nil
	}
	return locals[o.local]
}
