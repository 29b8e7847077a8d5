package policies

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// answer is what one rule of one policy said: its value, or why there is none.
type answer struct {
	asked
	value ast.Value // nil when the rule is undefined
	err   error
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
	store := rule.store
	if rule.needs != nil {
		store = in.inventory
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		got.err = fmt.Errorf("its data cannot be read: %w", err)
		return got
	}
	defer store.Abort(ctx, txn)
	got.value, got.err = rule.eval(ctx, in, cancel, store, txn)
	return got
}

func (a asked) eval(
	ctx context.Context, in inputs, cancel topdown.Cancel, store storage.Store, txn storage.Transaction,
) (value ast.Value, err error) {
	q := topdown.NewQuery(a.query.body).
		WithQueryCompiler(a.query.compiled).
		WithCompiler(a.compiler).
		WithStore(store).
		WithTransaction(txn).
		WithInput(in.of(a.Policy)).
		WithVirtualCache(&sharedCache{VirtualCache: topdown.NewVirtualCache(), shared: in.shared, packages: a.spec.Shared}).
		WithCancel(cancel)
	// Where a rule gives something, an identity or a permission, undefined is the safe answer; where one refuses, it is not.
	var failed []topdown.Error
	if gives := a.query.rule == "user" || a.query.rule == "allow"; !gives && !a.spec.Lenient {
		// The index of rules leaves out a rule before a function in it can fail: startswith(3, "x") would be undefined again.
		q = q.WithBuiltinErrorList(&failed).WithIndexing(false)
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
	if err == nil && len(failed) > 0 {
		return nil, &failed[0]
	}
	return value, err
}
