package policies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/portcullis-dev/portcullis/review"
)

// testTime bounds the tests that a policy brings. Somebody may be waiting for kubectl apply, and a test of one policy takes milliseconds.
const testTime = 3 * time.Second

// Try tells what would be wrong with spec if it came to the set: it is compiled, the tests in its own package are run, and it is compared with
// the other policies. It takes at most some seconds, and less if ctx ends; what is not done by then is a Fault.
func (s *Set) Try(ctx context.Context, spec Spec) Faults {
	fault := func(err error) Fault { return Fault{File: spec.File, Policy: spec.ID, Err: err} }
	others := slices.DeleteFunc(slices.Clone(s.policies), func(p *Policy) bool { return p.spec.ID == spec.ID })
	if at := slices.IndexFunc(s.policies, func(p *Policy) bool { return p.spec.ID == spec.ID && p.spec.File != spec.File }); at >= 0 {
		return Faults{fault(fmt.Errorf("%s: policy %s is also defined in %s; give one of them another name",
			spec.at(), spec.ID, s.policies[at].spec.at()))}
	}
	compiled, out := compileAll(ctx, []Spec{spec}, s.codes())
	if len(out) > 0 {
		return out
	}
	policy := compiled[0]
	_, out = unprovided(compiled, s.external)
	for _, f := range contradictions(append(others, policy)) {
		if f.Policy == spec.ID {
			out = append(out, f)
		}
	}
	return out
}

// test runs the tests in the policy's own package, on a goroutine that is left behind when it does not stop: OPA's cancellation is advisory.
func (s Spec) test(ctx context.Context) []error {
	if !s.tested() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	done := make(chan []error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- []error{fmt.Errorf("%s: the tests of policy %s make the tester fail: %w", s.File, s.ID, &review.PanicError{Value: r, Stack: debug.Stack()})}
			}
		}()
		done <- s.runTests(ctx)
	}()
	select {
	case errs := <-done:
		return errs
	case <-ctx.Done():
		return []error{fmt.Errorf("%s: the tests of policy %s did not end in time", s.File, s.ID)}
	}
}

func isTest(name string) bool { return strings.HasPrefix(name, tester.TestPrefix) }

// tested reports whether the policy's own package has tests.
func (s Spec) tested() bool {
	return slices.ContainsFunc(s.Modules, func(m *ast.Module) bool {
		return m.Package.Path.Equal(s.Package) && slices.ContainsFunc(m.Rules, func(r *ast.Rule) bool { return isTest(r.Head.Ref()[0].Value.String()) })
	})
}

func (s Spec) runTests(ctx context.Context) (faults []error) {
	modules := map[string]*ast.Module{}
	for i, module := range s.Modules {
		modules[fmt.Sprintf("%d %s", i, module.Package.Location.File)] = module.Copy() // the tester renames rules
	}
	compiler := ast.NewCompiler().WithCapabilities(s.Convention.capabilities()).WithDefaultRegoVersion(ast.RegoV1)
	store := inmem.New()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return []error{fmt.Errorf("%s: the tests of policy %s cannot be run: %w", s.File, s.ID, err)}
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().SetCompiler(compiler).SetStore(store).SetModules(modules).SetTimeout(testTime).RunTests(ctx, txn)
	if err != nil {
		return []error{fmt.Errorf("%s: the tests of policy %s cannot be run: %w", s.File, s.ID, oneALine(err))}
	}
	var inOrder []*tester.Result
	for result := range results {
		inOrder = append(inOrder, result)
	}
	slices.SortFunc(inOrder, func(a, b *tester.Result) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row))
	})
	for _, result := range inOrder {
		if result.Package != s.Package.String() || result.Pass() || result.Skip {
			continue
		}
		why := "fails"
		if result.Error != nil {
			why = "cannot be run: " + explainTest(result.Error)
		}
		faults = append(faults, fmt.Errorf("%s:%d: test %s %s", result.Location.File, result.Location.Row, result.Name, why))
	}
	return faults
}

// explainTest keeps of an evaluation's error what is not its place, which is said already, nor an input's content.
func explainTest(err error) string {
	var errs ast.Errors
	if errors.As(err, &errs) && len(errs) > 0 {
		return errs[0].Message
	}
	return explain(err)
}
