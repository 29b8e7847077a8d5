package policies

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// answer is what one rule of one policy said: its value, or why there is none.
type answer struct {
	asked
	value ast.Value // nil when the rule is undefined
	err   error
	// unknown says that the err is want of what the policy needs, and not what came of its evaluation.
	unknown bool
}

// errLate is the fault of a policy that used up its time.
var errLate = errors.New("it did not answer in time")

// ask evaluates one rule. A panic is the policy's fault like any other.
func ask(ctx context.Context, rule asked, in inputs, cancel topdown.Cancel) (got answer) {
	got.asked = rule
	defer func() {
		if r := recover(); r != nil {
			got.err = fmt.Errorf("its evaluation %w", &review.PanicError{Value: r, Stack: debug.Stack()})
		}
	}()
	input, err := in.of(rule.Policy)
	if err != nil {
		got.err = err
		return got
	}
	if rule.silent(ctx, in.memory, input, cancel) {
		return got
	}
	store := rule.store
	if in.inventory != nil && rule.looks() {
		store = in.inventory
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		got.err = fmt.Errorf("its data cannot be read: %w", err)
		return got
	}
	defer store.Abort(ctx, txn)
	got.value, got.err = rule.eval(ctx, in, input, cancel, store, txn)
	return got
}

// eval is OPA's evaluation of the rule.
func (a asked) eval(
	ctx context.Context, in inputs, input *ast.Term, cancel topdown.Cancel, store storage.Store, txn storage.Transaction,
) (value ast.Value, err error) {
	cache := &sharedCache{VirtualCache: topdown.NewVirtualCache(), shared: in.shared, packages: a.spec.Shared}
	var failed []topdown.Error
	q := topdown.NewQuery(a.query.body).
		WithQueryCompiler(a.query.compiled).
		WithCompiler(a.compiler).
		WithStore(store).
		WithTransaction(txn).
		WithInput(input).
		WithVirtualCache(cache).
		WithBuiltinErrorList(&failed).
		WithCancel(cancel).
		WithMetrics(metrics.NoOp()) // nobody reads what they would measure
	if !in.at.IsZero() {
		q = q.WithTime(in.at)
	}
	if in.trace != nil {
		q = q.WithQueryTracer(tracer{asked: a, trace: in.trace})
	}
	if a.spec.strict(a.query.rule) {
		// The index of rules leaves out a rule before a function in it can fail: startswith(3, "x") would be undefined without a word.
		q = q.WithIndexing(false)
	}
	err = q.Iter(ctx, func(result topdown.QueryResult) error {
		term, ok := result[a.query.answer]
		if !ok {
			return errors.New("the query has no answer")
		}
		value = term.Value
		return nil
	})
	if topdown.IsCancel(err) {
		return nil, errLate
	}
	switch {
	case err != nil:
		return nil, err
	case len(failed) == 0:
		cache.share()
	case a.faulty(value):
		return nil, &failed[0]
	}
	return value, nil
}

// faulty reports whether the rule's value is worth nothing because a built-in function failed on the way to it. A rule that refuses may
// have refused without that. One that gives, an identity or a permission, may have given because of it, under a "not"; only where it gave
// nothing is undefined the safe answer.
func (a asked) faulty(value ast.Value) bool {
	if gives(a.query.rule) {
		return something(value)
	}
	return !a.spec.Lenient
}

// gives reports whether a rule of that name gives something, an identity or a permission, rather than to refuse, warn or change.
func gives(rule string) bool { return rule == "user" || rule == "allow" }

// something reports whether the value of a rule user or allow is anything but a no.
func something(value ast.Value) bool {
	switch v := value.(type) {
	case nil:
		return false
	case ast.Boolean:
		return bool(v)
	case ast.Set:
		return v.Len() > 0
	case *ast.Array:
		return v.Len() > 0
	default:
		return true
	}
}
