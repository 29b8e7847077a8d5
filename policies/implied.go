package policies

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// Expander says which objects are implied by another, as a Deployment implies its Pods. Policies of the Gatekeeper convention judge those
// with the object. It is safe for concurrent use.
type Expander interface {
	// Expands reports whether objects of a kind imply any.
	Expands(apiVersion, kind string) bool
	// Expand makes what the object that req is about implies, at any remove, one after the other; their number is bounded. The object is in the
	// given namespace, or in none if that is empty, and must not be changed meanwhile.
	Expand(ctx context.Context, req *review.Request, namespace string, object map[string]any) iter.Seq[Implied]
	// Parents lists the kinds of the objects that imply, at any remove, objects of one of the kinds, among which "*" is any.
	Parents(kinds []GroupKind) []GroupKind
	// Revision names what it does: equal for Expanders that do the same.
	Revision() string
}

// Implied is one object that another implies, or why there is none.
type Implied struct {
	By     string // the name of the ExpansionTemplate
	Object map[string]any
	Err    error
	// Enforcement, if it is not empty, is in force in place of that of the policies that judge the object.
	Enforcement Enforcement
}

// WithExpander has policies of the Gatekeeper convention judge the objects that others imply. Without it, or with nil, none are implied.
func WithExpander(expander Expander) Option { return func(s *Set) { s.expander = expander } }

// Parents lists the kinds of the objects that imply some of the kinds, as Expander has it.
func (s *Set) Parents(kinds []GroupKind) []GroupKind {
	if s.expander == nil {
		return nil
	}
	return s.expander.Parents(kinds)
}

// implies reports whether the request is about an object that implies others, and somebody would judge those. The object itself is what a
// DELETE deletes.
func (s *Set) implies(req *review.Request) (review.Raw, *review.Head, bool) {
	if s.expander == nil || req.Stage != review.Validate || !s.judgesImplied || s.spares(req, s.known(req)) {
		return nil, nil, false
	}
	head, old, err := req.Heads()
	object := req.Object
	if req.Verb == "delete" {
		head, object = old, req.OldObject
	}
	// One that cannot be read is told of as such by each policy that is asked about it.
	if err != nil || head == nil || !s.expander.Expands(head.APIVersion, head.Kind) {
		return nil, nil, false
	}
	return object, head, true
}

// known looks the namespace of a request up that was awaited before, if somebody needed it.
func (s *Set) known(req *review.Request) func() (Namespace, error) {
	return func() (Namespace, error) {
		if ns, ok := s.namespaces(req.Target.Namespace); ok {
			return ns, nil
		}
		return Namespace{}, fmt.Errorf("namespace %q: %w", req.Target.Namespace, errNotKnown)
	}
}

// addImplied adds to d what the policies say of the objects that the request's object implies.
func (s *Set) addImplied(ctx context.Context, req *review.Request, object review.Raw, head *review.Head, d *review.Decision, objects *inventory.Snapshot) error {
	namespace := req.Target.Namespace
	if namespace == "" || req.Target.IsNamespace() {
		namespace = head.Namespace
	}
	var content map[string]any
	if err := utiljson.Unmarshal(object, &content); err != nil {
		return fmt.Errorf("the object cannot be read: %w", err)
	}
	for implied := range s.expander.Expand(ctx, req, namespace, content) {
		found, err := s.judge(ctx, req, implied, objects)
		if err != nil {
			unknown := pastOf(ctx).hidesObjects() // and with it, perhaps, that of which it is made
			found = []review.Finding{{Policy: "expansiontemplate/" + implied.By, Fault: true, Unknown: unknown, Effect: review.EffectDeny, Message: fmt.Sprintf(
				"what the object implies could not be judged: %v", err)}}
		}
		for _, f := range found {
			f.Introduce("[Implied by " + implied.By + "] ")
			if implied.Enforcement != "" && f.Effect != review.EffectExcepted {
				f.Effect = implied.Enforcement.effect()
			}
			d.Findings = append(d.Findings, f)
		}
	}
	d.Verdict = review.Allow
	if slices.ContainsFunc(d.Findings, func(f review.Finding) bool { return f.Effect == review.EffectDeny }) {
		d.Verdict = review.Deny
	}
	return nil
}

// judge is what the policies say of an implied object. Exceptions are from what they say of the object that implies it.
func (s *Set) judge(ctx context.Context, parent *review.Request, implied Implied, objects *inventory.Snapshot) ([]review.Finding, error) {
	if implied.Err != nil {
		return nil, implied.Err
	}
	object, err := json.Marshal(implied.Object)
	if err != nil {
		return nil, err
	}
	req, err := parent.Implied(implied.By, object)
	if err != nil {
		return nil, err
	}
	if past := pastOf(ctx); past.hidesObjects() {
		ctx = InThePast(ctx, past.ofImplied())
	}
	d, err := s.decide(ctx, req, parent, objects)
	return d.Findings, err
}
