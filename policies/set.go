package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/policies/plan"
	"github.com/portcullis-dev/portcullis/review"
)

// Set is an immutable snapshot of all policies in force. Any number of goroutines may ask it and none can change it.
type Set struct {
	policies   []*Policy
	index      index
	vocabulary vocabulary
	namespaces Namespaces
	await      func(context.Context, *review.Request)
	inventory  func() *inventory.Snapshot
	needs      map[inventory.Kind]*inventory.Need
	looks      bool // at the inventory
	observe    Observer
	crew       crew
	exceptions exceptions
	beside     []string // what lies beside the policies, for the revision
	now        func() time.Time
	revision   string

	expander      Expander
	judgesImplied bool // some policy would judge what it makes
	external      External
	sparing       Sparing
	eases         bool // refusals by Gatekeeper's convention are warnings
}

// NewSet makes a Set of compiled policies, in policy order: that in which findings are listed.
func NewSet(compiled []*Policy, opts ...Option) *Set {
	set := &Set{
		policies:   compiled,
		index:      newIndex(compiled),
		vocabulary: vocabulary{},
		namespaces: func(string) (Namespace, bool) { return Namespace{}, false },
		await:      func(context.Context, *review.Request) {},
		observe:    nobody{},
		crew:       make(crew),
		now:        time.Now,
	}
	for _, opt := range opts {
		opt(set)
	}
	sum := sha256.New()
	learnt := map[*code]bool{}
	for _, policy := range compiled {
		if !learnt[policy.code] {
			learnt[policy.code] = true
			for _, module := range policy.spec.Modules {
				set.vocabulary.learn(module)
			}
		}
		set.looks = set.looks || policy.looks()
		set.judgesImplied = set.judgesImplied || policy.spec.Convention == Gatekeeper && !policy.spec.Off()
		fmt.Fprintf(sum, "%s %s\n", policy.spec.ID, policy.spec.Digest)
	}
	set.needs = allNeeds(compiled)
	for _, e := range set.exceptions.all {
		fmt.Fprintf(sum, "exception %s %s\n", e.name(), e.Digest)
	}
	if set.expander != nil {
		fmt.Fprintf(sum, "expander %s\n", set.expander.Revision())
	}
	if set.external != nil {
		fmt.Fprintf(sum, "external data %s\n", set.external.Revision())
	}
	if set.eases {
		fmt.Fprintln(sum, "gatekeeper warns")
	}
	for _, text := range set.beside {
		fmt.Fprintln(sum, text)
	}
	set.revision = hex.EncodeToString(sum.Sum(nil))[:12]
	return set
}

// Revision names the set: equal for equal policies, exceptions and documents beside them, whichever server compiled them.
func (s *Set) Revision() string { return s.revision }

// Policies lists what the set holds, in policy order.
func (s *Set) Policies() []*Policy { return s.policies }

// Review asks every policy the request concerns and folds their answers. If none is concerned the object is not decoded.
// It returns when all have answered, or shortly after ctx's deadline: what has not answered by then is a fault and is treated as its
// policy's onError says. What is left behind with the request keeps a review.Hold until it has ended. Review returns an error, which is
// never a refusal, when the request cannot be read.
func (s *Set) Review(ctx context.Context, req *review.Request) (review.Decision, error) {
	objects := s.snapshot(ctx)
	if s.external != nil {
		ctx = language.WithExternalData(ctx, s.external.Begin())
	}
	d, err := s.decide(ctx, req, req, objects)
	if object, head, implies := s.implies(req); implies && err == nil {
		whole := d // its address is taken, and so it is one of its own: the decision of most reviews needs no memory
		err = s.addImplied(ctx, req, object, head, &whole, objects)
		d = whole
	}
	s.ease(&d, req)
	return d, err
}

// decide answers one request; parent is the one to which exceptions hold.
func (s *Set) decide(ctx context.Context, req, parent *review.Request, objects *inventory.Snapshot) (review.Decision, error) {
	past := pastOf(ctx)
	concerned, answers := s.match(ctx, req, objects, past, nil)
	if len(concerned) == 0 {
		return s.fold(parent, answers, past), nil
	}
	at := elsewhere
	if ignoreManagedFields(concerned) {
		at = atReview
	}
	inputs, err := s.inputs(req, at)
	if err != nil {
		return review.Decision{}, err
	}
	inputs.inventory = objects
	if slices.ContainsFunc(concerned, func(a asked) bool { return a.spec.Convention == Gatekeeper }) {
		inputs.admission, inputs.unreadable = s.admission(req, inputs)
	}
	inputs.at = past.At
	inputs.veil(past, req)
	return s.fold(parent, append(answers, evaluate(ctx, s.crew, concerned, inputs, s.observe)...), past), nil
}

// match lists the rules to ask, of those that pass over does not hold for. The answers it returns are those of policies of which it cannot be told
// whether to ask them.
func (s *Set) match(
	ctx context.Context, req *review.Request, objects *inventory.Snapshot, past Past, passOver func(asked) bool,
) (concerned []asked, unknown []answer) {
	awaited := false
	namespace := func() (Namespace, error) {
		ns, ok := s.namespaces(req.Target.Namespace)
		if !ok && !awaited {
			awaited = true // once for all policies
			s.await(ctx, req)
			ns, ok = s.namespaces(req.Target.Namespace)
		}
		if !ok {
			return ns, fmt.Errorf("namespace %q: %w", req.Target.Namespace, errNotKnown)
		}
		return ns, nil
	}
	spared, going, altered := s.spares(req, namespace), departureOf(req), alteration{req: req}
	for _, a := range s.index.candidates(req) {
		if theirs := a.spec.Convention == Gatekeeper; theirs && spared || !theirs && req.ImpliedBy != "" {
			continue
		}
		if !a.spec.Match.concerns(req) || a.spec.enforcement(req.Origin) == EnforceOff || passOver != nil && passOver(a) {
			continue
		}
		if going.letsGo(a, req.Target) {
			if !past.hidesObjects() {
				continue
			}
			a.doubtful = true
		}
		covered, err := a.spec.Match.covers(req, namespace)
		if err == nil && past.hidesObjects() {
			var doubtful bool
			covered, doubtful, err = past.covers(a.spec.Match, req, namespace, covered)
			a.doubtful = a.doubtful || doubtful
		}
		if err == nil && covered {
			if covered, err = altered.concerns(a.spec.Match); !covered && err == nil && past.hidesObjects() {
				covered, a.doubtful = true, true
			}
		}
		if err == nil && covered && a.needsNamespace && req.Target.Namespace != "" && !req.Target.IsNamespace() {
			_, err = namespace()
		}
		if err == nil && covered && a.looks() {
			if err = a.met(objects); objects == nil && past.is {
				err = errNoInventory
			}
		}
		switch {
		case err != nil:
			unknown = append(unknown, answer{asked: a, err: err, unknown: true})
		case covered:
			concerned = append(concerned, a)
		}
	}
	return concerned, unknown
}

// inputs are what policies see as input: one decoded review, shared by all, to which each policy's parameters are added.
type inputs struct {
	members [][2]*ast.Term
	bare    *ast.Term // without parameters
	// admission is input.review of the Gatekeeper convention, if some policy is of that; or else unreadable says why there is none.
	admission  *ast.Term
	unreadable error
	shared     topdown.VirtualCache
	memory     *plan.Memory
	// inventory is what all policies see of the cluster; nil if none of them looks.
	inventory *inventory.Snapshot
	at        time.Time     // of the evaluation; zero is now
	trace     *trace        // who hears what rules say where; nil is nobody
	looked    *atomic.Int64 // how often somebody looked at what is not known; nil where all is
}

// unshared returns the inputs for one goroutine: what policies work out together there is not to be touched from another.
func (in inputs) unshared() inputs {
	in.shared, in.memory = topdown.NewVirtualCache(), plan.MemoryAt(in.at)
	return in
}

func (s *Set) inputs(req *review.Request, at place) (inputs, error) {
	term, err := s.vocabulary.parse(req.Body, at)
	if err != nil {
		return inputs{}, err
	}
	object, ok := term.Value.(ast.Object)
	if !ok {
		return inputs{}, errors.New("the review is not an object")
	}
	var in inputs
	object.Foreach(func(key, value *ast.Term) {
		if key.Equal(ast.InternedTerm("parameters")) || key.Equal(ast.InternedTerm("namespace")) {
			return // they are ours to say, and no review has them
		}
		in.members = append(in.members, [2]*ast.Term{key, value})
	})
	s.addNamespace(&in, req)
	in.bare = ast.ObjectTerm(in.members...)
	return in, nil
}

func (s *Set) addNamespace(in *inputs, req *review.Request) {
	if name := req.Target.Namespace; name != "" && !req.Target.IsNamespace() {
		if ns, known := s.namespaces(name); known && ns.Object != nil {
			in.members = append(in.members, [2]*ast.Term{ast.InternedTerm("namespace"), ast.NewTerm(ns.Object)})
		}
	}
}

// of is the input of one policy.
func (in inputs) of(p *Policy) (*ast.Term, error) {
	if p.spec.Convention == Gatekeeper {
		if in.unreadable != nil {
			return nil, in.unreadable
		}
		parameters := p.parameters
		if parameters == nil {
			parameters = ast.InternedEmptyObject
		}
		return ast.ObjectTerm(
			[2]*ast.Term{ast.InternedTerm("review"), in.admission}, [2]*ast.Term{ast.InternedTerm("parameters"), parameters}), nil
	}
	if p.parameters == nil {
		return in.bare, nil
	}
	members := make([][2]*ast.Term, 0, len(in.members)+1)
	members = append(append(members, in.members...), [2]*ast.Term{ast.InternedTerm("parameters"), p.parameters})
	return ast.ObjectTerm(members...), nil
}
