package policies

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

// Audited is what policies say of an object that is there already.
type Audited struct {
	Asked    []string // the policies that it concerned, by ID, in policy order; those without a finding have nothing to say
	Findings []AuditFinding
	Spared   bool // policies of the Gatekeeper convention were passed over, as Sparing has it
}

// AuditFinding is one thing that a policy says of an object. Its Effect is what the enforcement of the policy makes of it for requests of
// review.FromAudit.
type AuditFinding struct {
	review.Finding
	Warning bool // it is of a rule warn, and so no refusal whatever the enforcement
}

// Audit asks about an object that is there already, as JSON, at the target where it is. Asked are those policies for which only holds; all if it is
// nil.
//
// To native policies it is a CREATE of that moment by nobody; those that cannot be asked so, as Policy.Unaudited says, are not. Those of
// the Gatekeeper convention see what Gatekeeper's audit shows them: no operation and no user. Enforcement is that of review.FromAudit, and
// exceptions lift what they lift at admission. What the object implies is not judged: it is audited itself where it is there.
//
// An error is never a refusal: nothing is known of the object then. ctx should have a deadline: each policy may use half of what is left of it.
func (s *Set) Audit(ctx context.Context, target review.Target, object []byte, only func(policy string) bool) (Audited, error) {
	if s.external != nil {
		ctx = language.WithExternalData(ctx, s.external.Begin())
	}
	audit := auditing{Set: s, object: object, only: only, inventory: s.snapshot(ctx)}
	for _, convention := range []Convention{Native, Gatekeeper} {
		verb := "create"
		if convention == Gatekeeper {
			verb = "" // whatever operations it names
		}
		if err := audit.ask(ctx, convention, review.Standing(target, object, verb)); err != nil {
			return Audited{}, err
		}
	}
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return Audited{}, err // what was cut short has not answered; what was out of time has faults
	}
	return audit.fold(), nil
}

// auditing is one object on its way through a Set.
type auditing struct {
	*Set
	object    []byte
	term      *ast.Term // of the object; nil as long as nobody needed it
	at        place     // elsewhere if the managed fields are in it
	only      func(string) bool
	inventory *inventory.Snapshot

	native  *review.Request // to which exceptions hold
	answers []answer
	spared  bool
}

// ask asks the policies of one convention.
func (a *auditing) ask(ctx context.Context, convention Convention, req *review.Request) error {
	if convention == Native {
		a.native = req
	}
	concerned, unknown := a.match(ctx, req, a.inventory, Past{}, func(rule asked) bool {
		return rule.spec.Convention != convention || a.only != nil && !a.only(rule.spec.ID) || rule.Unaudited() != ""
	})
	if convention == Gatekeeper {
		a.spared = a.spares(req, a.known(req))
	}
	a.answers = append(a.answers, unknown...)
	if len(concerned) == 0 {
		return nil
	}
	at := elsewhere
	if ignoreManagedFields(concerned) {
		at = atObject
	}
	if a.term == nil || a.at != at && at == elsewhere {
		var err error
		if a.term, err = a.vocabulary.parse(a.object, at); err != nil {
			return err
		}
		a.at = at
	}
	in := inputs{members: [][2]*ast.Term{
		{ast.InternedTerm("apiVersion"), ast.InternedTerm("admission.k8s.io/v1")},
		{ast.InternedTerm("kind"), ast.InternedTerm("AdmissionReview")},
		{ast.InternedTerm("request"), standingRequest(convention, req.Target, a.term)},
	}, inventory: a.inventory}
	if convention == Native {
		a.addNamespace(&in, req)
		in.bare = ast.ObjectTerm(in.members...)
	} else {
		in.admission, in.unreadable = a.admission(req, in)
	}
	a.answers = append(a.answers, evaluate(ctx, a.crew, concerned, in, quiet{a.observe})...)
	return nil
}

// standingRequest is the admission request of an object that nobody sends: as an API server would spell it or, of the Gatekeeper convention, as
// Gatekeeper's audit spells it.
func standingRequest(convention Convention, t review.Target, object *ast.Term) *ast.Term {
	text := func(s string) *ast.Term { return ast.InternedTerm(s) }
	member := func(name string, value *ast.Term) [2]*ast.Term { return [2]*ast.Term{text(name), value} }
	names := func(version, kind, resource string) *ast.Term {
		return ast.ObjectTerm(member("group", text(t.Group)), member("version", text(version)), member(kind, text(resource)))
	}
	null := ast.InternedNullTerm
	kind := names(t.Version, "kind", t.Kind)
	members := [][2]*ast.Term{
		member("uid", text("")), member("kind", kind), member("userInfo", ast.InternedEmptyObject), member("object", object),
		member("oldObject", null), member("options", null),
	}
	if t.Name != "" {
		members = append(members, member("name", text(t.Name)))
	}
	if inside := t.Inside(); inside != "" {
		members = append(members, member("namespace", text(inside)))
	}
	if convention == Gatekeeper {
		resource := ast.ObjectTerm(member("group", text("")), member("version", text("")), member("resource", text("")))
		return ast.ObjectTerm(append(members, member("operation", text("")), member("resource", resource))...)
	}
	resource := names(t.Version, "resource", t.Resource)
	return ast.ObjectTerm(append(members, member("operation", text("CREATE")), member("resource", resource), member("requestKind", kind),
		member("requestResource", resource), member("dryRun", ast.InternedTerm(false)))...)
}

// fold makes findings of all answers, in policy order.
func (a *auditing) fold() Audited {
	slices.SortStableFunc(a.answers, func(x, y answer) int { return x.number - y.number })
	out := Audited{Spared: a.spared}
	for _, answered := range a.answers {
		id := answered.spec.ID
		if len(out.Asked) == 0 || out.Asked[len(out.Asked)-1] != id {
			out.Asked = append(out.Asked, id)
		}
		var d review.Decision
		if _, err := add(&d, review.FromAudit, answered); err != nil {
			d.Findings = append(d.Findings, fault(answered, review.FromAudit, err))
		}
		if len(d.Findings) > 0 {
			a.except(&d, a.native, id, 0, 0, a.now())
		}
		for _, f := range d.Findings {
			out.Findings = append(out.Findings, AuditFinding{Finding: f, Warning: answered.query.rule == "warn"})
		}
	}
	return out
}

// quiet keeps an audit out of what is measured of the policies at admission, but for what it leaves running.
type quiet struct{ Observer }

// Asked does nothing.
func (quiet) Asked(string, time.Duration, error) {}
