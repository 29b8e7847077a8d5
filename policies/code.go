package policies

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/plan"
	"github.com/portcullis-dev/portcullis/review"
)

// compileTime bounds the compilation of one policy. The largest policies in use compile in tens of milliseconds; what takes
// seconds has met a fault of the compiler.
const compileTime = 10 * time.Second

// code is what a spec's modules are compiled to. All policies of one Spec.Code share it; it is immutable and safe for concurrent use.
type code struct {
	compiler       *ast.Compiler
	store          storage.Store // for policies that read nothing of the cluster: nothing is in it
	queries        []*query
	needsNamespace bool
	unaskable      string                             // why deny and warn have no answer about an object that is there already; or empty
	needs          map[inventory.Kind]*inventory.Need // of the native convention; nil for a policy that declares no data
	synced         syncedReads                        // of the Gatekeeper convention
	calls          *ast.Location                      // where external_data is called; nil if it is not
}

// query is one rule of a policy, ready to be asked.
type query struct {
	stage    review.Stage
	rule     string
	body     ast.Body
	compiled ast.QueryCompiler
	answer   ast.Var
	plan     *plan.Plan // nil if the query has none
	trouble  trouble    // of the plan
	ignores  bool       // it has the same value whatever an object's managed fields are
}

// codes are those that were compiled already, by Spec.Code. There is none of the empty name.
type codes map[string]*code

// codes lists what the policies of a Set, which may be nil, share.
func (s *Set) codes() codes {
	out := codes{}
	for _, policy := range s.list() {
		if policy.spec.Code != "" {
			out[policy.spec.Code] = policy.code
		}
	}
	return out
}

// looks reports whether the policy reads objects of the cluster.
func (p *Policy) looks() bool { return p.needs != nil || p.ReadsInventory() }

// compileCode compiles the modules of a spec, and gives up when that takes too long.
func compileCode(ctx context.Context, spec Spec) (*code, error) {
	ctx, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	type outcome struct {
		code *code
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		compiled, err := spec.compile(ctx)
		done <- outcome{compiled, err}
	}()
	select {
	case o := <-done:
		return o.code, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: policy %s was not compiled in time: %w", spec.File, spec.ID, ctx.Err())
	}
}

func (s Spec) compile(ctx context.Context) (compiled *code, err error) {
	// OPA's compiler has panicked on modules before; one bad policy must not take the server with it.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: the compiler %w over policy %s", s.File, &review.PanicError{Value: r, Stack: debug.Stack()}, s.ID)
		}
	}()
	modules := make(map[string]*ast.Module, len(s.Modules))
	for i, module := range s.Modules {
		if err := language.CheckSchemas(module); err != nil {
			return nil, err
		}
		modules[fmt.Sprintf("%d %s", i, module.Package.Location.File)] = module
	}
	compiler := ast.NewCompiler().WithCapabilities(s.Convention.capabilities()).WithDefaultRegoVersion(ast.RegoV1)
	if compiler.Compile(modules); compiler.Failed() {
		return nil, oneALine(language.Explain(compiler.Errors))
	}
	compiled = &code{compiler: compiler, store: new(inventory.Snapshot)}
	switch s.Convention {
	case Gatekeeper:
		compiled.calls = callOf(s.Modules, language.ExternalDataName)
		compiled.synced = readsOfSynced(compiler)
	case Native:
		if err := undefined(compiler, s); err != nil {
			return nil, err
		}
		if err := s.checkFields(compiler); err != nil {
			return nil, err
		}
		compiled.needsNamespace = readsNamespace(compiler, s)
		compiled.unaskable = unaskable(compiler, s)
		if compiled.needs, err = needs(compiler, s); err != nil {
			return nil, err
		}
	}
	for _, rule := range s.Rules {
		query, err := prepare(compiler, s, rule)
		if err != nil {
			return nil, err
		}
		query.plan, query.ignores = compiled.plan(ctx, s, rule)
		compiled.queries = append(compiled.queries, query)
	}
	if len(compiled.queries) == 0 {
		return nil, fmt.Errorf("%s: policy %s has no rule to ask: define deny, warn, mutate, user or allow", s.File, s.ID)
	}
	return compiled, nil
}

// capabilities are what Rego of the convention may call.
func (c Convention) capabilities() *ast.Capabilities {
	if c == Gatekeeper {
		return language.GatekeeperCapabilities()
	}
	return language.Capabilities()
}
