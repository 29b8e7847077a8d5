package policies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Policy is one compiled policy. It is immutable, but for its count of evaluations left behind, and safe for concurrent use.
type Policy struct {
	*code
	spec       Spec
	parameters *ast.Term
	behind     behind
	aside      *Policy // the same for who only wants to know why: what is left behind there counts for itself
}

// Spec returns what the policy was compiled from.
func (p *Policy) Spec() Spec { return p.spec }

// newPolicy makes the policy of a spec and what its modules were compiled to.
func newPolicy(spec Spec, compiled *code) *Policy {
	policy, aside := &Policy{code: compiled, spec: spec}, &Policy{code: compiled, spec: spec}
	if spec.Parameters != nil {
		policy.parameters = ast.NewTerm(spec.Parameters)
		aside.parameters = policy.parameters
	}
	policy.aside = aside
	return policy
}

// beside is the policy with the tests that lie beside it now, which are no part of it.
func (p *Policy) beside(tests []SourceText) *Policy {
	if slices.EqualFunc(p.spec.Tests, tests, func(a, b SourceText) bool { return a.File == b.File && bytes.Equal(a.Text, b.Text) }) {
		return p
	}
	spec := p.spec
	spec.Tests = tests
	return newPolicy(spec, p.code)
}

// CompilePolicy compiles one spec with the capabilities of package language. Its errors name file and row.
func CompilePolicy(ctx context.Context, spec Spec) (*Policy, error) {
	if compiled := spec.compiled(); compiled != nil {
		return newPolicy(spec, compiled), nil
	}
	compiled, err := compileCode(ctx, spec)
	if err != nil {
		return nil, err
	}
	return newPolicy(spec, compiled), nil
}

// compiled is what a front end has compiled the modules to already, or nil.
func (s Spec) compiled() *code {
	if s.Code == "" || s.Compiled == nil || s.Compiled.spec.Code != s.Code {
		return nil
	}
	return s.Compiled.code
}

// oneALine spells OPA's errors as "file:row: message", one a line.
func oneALine(err error) error {
	var errs ast.Errors
	if !errors.As(err, &errs) {
		return err
	}
	lines := make([]error, len(errs))
	for i, e := range errs {
		lines[i] = fmt.Errorf("%s:%d: %s", e.Location.File, e.Location.Row, e.Message)
	}
	return errors.Join(lines...)
}

func prepare(compiler *ast.Compiler, spec Spec, rule Rule) (*query, error) {
	ref := spec.Package.Append(ast.StringTerm(rule.Name))
	if err := checkShape(compiler, spec, rule, ref); err != nil {
		return nil, err
	}
	answer := ast.Var("answer")
	qc := compiler.QueryCompiler()
	body, err := qc.Compile(ast.NewBody(ast.Equality.Expr(ast.NewTerm(answer), ast.NewTerm(ref))))
	if err != nil {
		return nil, fmt.Errorf("%s: rule %s of policy %s cannot be asked: %w", spec.File, rule.Name, spec.ID, err)
	}
	for rewritten, original := range qc.RewrittenVars() {
		if original == answer {
			answer = rewritten
			break
		}
	}
	return &query{stage: rule.Stage, rule: rule.Name, body: body, compiled: qc, answer: answer}, nil
}

// undefined returns an error if a module refers to something under data that no module defines and the policy does not declare: to Rego
// that is merely undefined, and a misspelt import would be a rule that never refuses.
func undefined(compiler *ast.Compiler, spec Spec) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(compiler.Modules)) {
		module := compiler.Modules[name]
		visit := func(ref ast.Ref) bool {
			if !ref.HasPrefix(ast.DefaultRootRef) {
				return false
			}
			if why := unknown(compiler, spec, ref); why != nil {
				at := ref[0].Location
				if at == nil {
					at = module.Package.Location
				}
				errs = append(errs, fmt.Errorf("%s:%d: %w", at.File, at.Row, why))
			}
			return false
		}
		for _, rule := range module.Rules {
			ast.WalkRefs(rule, visit)
		}
	}
	return errors.Join(errs...)
}

// unknown returns why there is nothing that a reference under data could mean, or nil.
func unknown(compiler *ast.Compiler, spec Spec, ref ast.Ref) error {
	prefix := ref.ConstantPrefix()
	if len(prefix) == 1 && len(ref) > 1 {
		return errors.New("data[...] with a name that is only known when the rule is evaluated cannot be checked; write the name behind data out")
	}
	if inInventory(ref) && len(compiler.GetRulesForVirtualDocument(prefix)) == 0 {
		return undeclared(compiler, spec, ref)
	}
	if len(compiler.GetRulesForVirtualDocument(prefix)) == 0 && len(compiler.GetRulesWithPrefix(prefix)) == 0 {
		return fmt.Errorf("%s is defined by no policy here; objects of the cluster are at data.%s[kind]", prefix, inventory.Root)
	}
	return nil
}

// readsNamespace reports whether some rule that the policy's rules can reach reads input.namespace, or the whole of input, so that without
// the Namespace object it has no answer.
func readsNamespace(compiler *ast.Compiler, spec Spec) bool {
	var queue []util.T
	for _, rule := range spec.Rules {
		for _, r := range compiler.GetRulesExact(spec.Package.Append(ast.StringTerm(rule.Name))) {
			queue = append(queue, r)
		}
	}
	seen := map[util.T]bool{}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		rule, ok := next.(*ast.Rule)
		if seen[next] || !ok {
			continue
		}
		seen[next] = true
		if Reads(rule, ast.InputRootDocument, "namespace") {
			return true
		}
		for dependency := range compiler.Graph.Dependencies(next) {
			queue = append(queue, dependency)
		}
	}
	return false
}

// Reads reports whether a rule or module refers to a member of a root document, by its name, by a variable, or by way of the whole.
func Reads(node any, root *ast.Term, member string) bool {
	found := false
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.With: // what is put in its place is not read
			found = found || Reads(x.Value, root, member)
			return true
		case *ast.Term:
			switch ref, ok := x.Value.(ast.Ref); {
			case ok && ref[0].Equal(root):
				found = found || len(ref) == 1 || !ref[1].IsGround() || ref[1].Equal(ast.InternedTerm(member))
				return true // its own terms are not looked at: the root alone would be found in it
			case x.Equal(root):
				found = true
			}
		}
		return found
	}).Walk(node)
	return found
}

// checkShape holds a rule to what its name promises. A deny that is one value would be undefined where nothing is wrong, and a
// rule that is misspelt as a value would silently never refuse.
func checkShape(compiler *ast.Compiler, spec Spec, rule Rule, ref ast.Ref) error {
	rules := compiler.GetRulesExact(ref)
	if len(rules) == 0 {
		return fmt.Errorf("%s: policy %s has no rule %s", spec.File, spec.ID, rule.Name)
	}
	head := rules[0].Head
	set := head.RuleKind() == ast.MultiValue
	switch rule.Name {
	case "deny", "warn":
		if !set {
			return fmt.Errorf("%s: rule %s must be a set of findings: write %q", rules[0].Location, rule.Name, rule.Name+" contains message if ...")
		}
	case ViolationRule: // whatever it is, what has a msg in it counts
	case "user":
		if set {
			return fmt.Errorf("%s: rule user must be one object: write %q", rules[0].Location, "user := {...} if ...")
		}
	}
	return nil
}

// Option changes how a Set is made.
type Option func(*Set)

// WithNamespaces gives the policies of a Set the Namespace objects. Without it no namespace is known.
func WithNamespaces(lookup Namespaces) Option { return func(s *Set) { s.namespaces = lookup } }

// WithArrivals has a Set wait for a namespace that is not known yet and that a policy must know: await returns when it is, or when it is not
// to be waited for any longer, well before the review must be answered. Without it nothing is waited for.
func WithArrivals(await func(context.Context, *review.Request)) Option {
	return func(s *Set) { s.await = await }
}

// WithInventory gives the policies of a Set the objects of the cluster. Without it nothing is known of any.
func WithInventory(store *inventory.Store) Option {
	return func(s *Set) { s.inventory = store.Snapshot }
}

// WithSnapshot gives the policies of a Set the same objects for good, as those of a test are.
func WithSnapshot(objects *inventory.Snapshot) Option {
	return func(s *Set) { s.inventory = func() *inventory.Snapshot { return objects } }
}

// WithSnapshots gives the policies of a Set the objects that there are when it is asked, as those of one case of a test after the other.
func WithSnapshots(current func() *inventory.Snapshot) Option {
	return func(s *Set) { s.inventory = current }
}

// WithObserver lets observe hear of every policy asked.
func WithObserver(observe Observer) Option { return func(s *Set) { s.observe = observe } }

// Compile compiles all specs, on all processors, runs the tests that come with them, and makes a Set of them, in the order of their names. If
// one is faulty or fails a test, two have one name or contradict each other, there is no Set; the error is Faults then.
func Compile(ctx context.Context, specs []Spec, opts ...Option) (*Set, error) {
	specs, faults := arrange(specs)
	compiled, failed := compileAll(ctx, specs, nil)
	if faults = append(faults, failed...); len(faults) > 0 {
		return nil, faults
	}
	if compiled, faults = withoutContradictions(compiled); len(faults) > 0 {
		return nil, faults
	}
	set := NewSet(compiled, opts...)
	if _, faults = unprovided(compiled, set.external); len(faults) > 0 {
		return nil, faults
	}
	return set, nil
}

// compileAll compiles specs and runs their tests, of those with one Code the first, unless it is among the known; the place of one that is
// faulty, or fails a test, stays nil.
func compileAll(ctx context.Context, specs []Spec, known codes) ([]*Policy, Faults) {
	compiled, errs := make([]*code, len(specs)), make([]error, len(specs))
	first := map[string]int{} // of each Code
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, spec := range specs {
		if compiled[i] = known[spec.Code]; compiled[i] == nil {
			compiled[i] = spec.compiled()
		}
		if compiled[i] != nil {
			continue
		}
		if _, begun := first[spec.Code]; begun {
			continue
		}
		if spec.Code != "" {
			first[spec.Code] = i
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if compiled[i], errs[i] = compileCode(ctx, spec); errs[i] == nil {
				errs[i] = errors.Join(spec.test(ctx)...)
			}
		})
	}
	wg.Wait()
	policies := make([]*Policy, len(specs))
	var faults Faults
	for i, spec := range specs {
		if at, shared := first[spec.Code]; shared {
			compiled[i], errs[i] = compiled[at], errs[at]
		}
		if errs[i] != nil {
			faults = append(faults, Fault{File: spec.File, Policy: spec.ID, Err: errs[i], listed: spec.listed})
			continue
		}
		policies[i] = newPolicy(spec, compiled[i])
	}
	return policies, faults
}

// Fault is one thing wrong with a file, policy or exception. Err's text already names file and row.
type Fault struct {
	File      string
	Policy    string   // empty when the file could not be read so far
	Also      []string // further policies that are missing because of it: all that a faulty template would have made
	Exception string   // with its namespace, "prod/legacy-agent", when that is what is faulty
	Err       error

	listed bool // it was found in a Bundle that is Listed
}

// Concerns reports whether the fault may be why the policy of spec is missing: because it is the policy's, or because it is that of a file
// as a whole in which the policy was or may be now.
func (f Fault) Concerns(spec Spec) bool {
	return f.Policy == spec.ID || slices.Contains(f.Also, spec.ID) || f.tears(spec) || f.hides(spec)
}

// ofFile reports whether the fault is that of a file, or more, as a whole.
func (f Fault) ofFile() bool { return f.Policy == "" && f.Exception == "" }

// tears reports whether some of the policy was read from what is faulty.
func (f Fault) tears(spec Spec) bool { return f.ofFile() && f.File != "" && spec.ReadFrom(f.File) }

// hides reports whether a policy, or a part of it, may be in what is faulty, under whatever name. A file does not hide objects of an API,
// nor they what is in files.
func (f Fault) hides(spec Spec) bool { return f.ofFile() && f.listed == spec.listed }

// Faults is an error made of one or more Fault, printed one a line; what several policies have in common is printed once.
type Faults []Fault //nolint:errname // first of all a list; an error only where there is nothing else to return

func (f Faults) Error() string {
	var lines []string
	for _, fault := range f {
		if line := fault.Err.Error(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As each fault's error.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault.Err
	}
	return errs
}

var _ interface{ Unwrap() []error } = Faults(nil)

// of reports whether one of the faults is that policy's.
func (f Faults) of(policy string) bool {
	return slices.ContainsFunc(f, func(fault Fault) bool { return fault.Policy == policy })
}

// errNotKnown is why a policy that needs its namespace has no answer.
var errNotKnown = errors.New("the namespace is not known here (yet); serve learns of namespaces with --kubeconfig, review from Namespaces among the files")
