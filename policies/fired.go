package policies

import (
	"context"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// Fired is one rule of a policy that said something of a request, and where it stands.
type Fired struct {
	Policy string
	Rule   string // its name, as "deny"
	File   string
	Row    int
	// Message and Field are those of the finding; empty for rules that have none, as mutate.
	Message, Field string
}

// maxFired bounds what Explain returns of one policy: more places than anybody looks at.
const maxFired = 500

// Explain asks the policies for which only holds once more, of a request that was answered before, and returns which of their rules say what today,
// in policy order. It is for people who look at one decision, and slow: it traces the evaluation. It asks no Provider, is in no metric, and what
// it leaves behind when ctx ends keeps no policy from being asked at the door, but from being asked here. A policy that has no answer any more, because it looks at what is
// not known of the request, is not among them; nor is what policies say of objects that others imply.
func (s *Set) Explain(ctx context.Context, req *review.Request, past Past, only func(policy string) bool) ([]Fired, error) {
	past.is = true
	ctx = InThePast(ctx, past)
	objects := s.snapshot(ctx)
	concerned, _ := s.match(ctx, req, objects, past, func(a asked) bool { return !only(a.spec.ID) })
	if len(concerned) == 0 {
		return nil, nil
	}
	inputs, err := s.inputs(req, elsewhere)
	if err != nil {
		return nil, err
	}
	inputs.inventory, inputs.at = objects, past.At
	if slices.ContainsFunc(concerned, func(a asked) bool { return a.spec.Convention == Gatekeeper }) {
		inputs.admission, inputs.unreadable = s.admission(req, inputs)
	}
	inputs.veil(past, req)
	inputs.trace = &trace{}
	for i, a := range concerned {
		concerned[i].Policy = a.aside
	}
	var out []Fired
	for _, got := range evaluate(ctx, s.crew, concerned, inputs, nobody{}) {
		if got.err == nil {
			out = append(out, inputs.trace.of(got.asked)...)
		}
	}
	return out, nil
}

// trace is what rules said while they were asked. It is safe for concurrent use.
type trace struct {
	mu    sync.Mutex
	fired map[ruleKey][]Fired
}

// ruleKey is one rule of one policy; policies of a template share their rules.
type ruleKey struct {
	policy string
	query  *query
}

func (t *trace) of(a asked) []Fired {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.fired[ruleKey{a.spec.ID, a.query}])
}

// tracer adds to a trace what OPA's evaluation of one rule tells.
type tracer struct {
	asked
	trace *trace
}

// Enabled implements topdown.QueryTracer.
func (t tracer) Enabled() bool { return true }

// Config implements topdown.QueryTracer.
func (t tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent implements topdown.QueryTracer.
func (t tracer) TraceEvent(e topdown.Event) {
	rule, ok := e.Node.(*ast.Rule)
	if !ok || e.Op != topdown.ExitOp || rule.Location == nil || rule.Module == nil || !rule.Module.Package.Path.Equal(t.spec.Package) ||
		rule.Head.Ref()[0].Value.Compare(ast.Var(t.query.rule)) != 0 {
		return
	}
	at := Fired{Policy: t.spec.ID, Rule: t.query.rule, File: rule.Location.File, Row: rule.Location.Row}
	for _, f := range t.said(rule, &e) {
		said := at
		said.Message, said.Field = f.Message, f.Field
		t.add(said)
	}
}

// said are the findings of what one of the rules of that name yields; one that says nothing if it yields none, but another thing.
func (t tracer) said(rule *ast.Rule, e *topdown.Event) []review.Finding {
	value := rule.Head.Value // of one that has all of the value
	if rule.Head.Key != nil {
		value = ast.SetTerm(rule.Head.Key)
	}
	value = e.Plug(value)
	var found []review.Finding
	var err error
	switch t.query.rule {
	case "deny", "warn":
		found, err = findings(t.spec, review.EffectDeny, value.Value)
	case ViolationRule:
		found, err = violations(t.spec.ID, review.EffectDeny, value.Value)
	case "allow":
		if _, plain := value.Value.(ast.Boolean); !plain {
			found, err = findings(t.spec, review.EffectAllow, value.Value)
		} else if something(value.Value) {
			found = []review.Finding{{Message: granting}}
		}
	default:
		if something(value.Value) {
			found = []review.Finding{{}}
		}
	}
	if err != nil { // the policy has no answer, for that
		return nil
	}
	return found
}

func (t tracer) add(f Fired) {
	t.trace.mu.Lock()
	defer t.trace.mu.Unlock()
	at := ruleKey{t.spec.ID, t.query}
	if t.trace.fired == nil {
		t.trace.fired = map[ruleKey][]Fired{}
	}
	if all := t.trace.fired[at]; len(all) < maxFired && !slices.Contains(all, f) {
		t.trace.fired[at] = append(all, f)
	}
}
