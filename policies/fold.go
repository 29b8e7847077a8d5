package policies

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/portcullis-dev/portcullis/review"
)

// fold makes one Decision of all answers. What decides is the stage: where nothing refuses, admission and images are allowed, a guard
// has no opinion, and tokens and grants are left to others unless a policy speaks for them.
func (s *Set) fold(req *review.Request, answers []answer, past Past) review.Decision {
	slices.SortStableFunc(answers, func(a, b answer) int { return a.number - b.number })
	d := review.Decision{Revision: s.revision}
	allowed, now := false, past.At
	if now.IsZero() {
		now = s.now()
	}
	for _, a := range answers {
		findings, edits := len(d.Findings), len(d.Edits)
		granted, err := add(&d, req.Origin, a)
		if err != nil {
			d.Findings = append(d.Findings, fault(a, req.Origin, err))
		}
		allowed = allowed || granted
		switch {
		case len(d.Findings) == findings && len(d.Edits) == edits:
		case len(past.Unknown) > 0 && past.hidesException(s.exceptions.byPolicy[a.spec.ID], req, now):
			a.unknown = true
			d.Findings, d.Edits = append(d.Findings[:findings], fault(a, req.Origin, errVeiled)), d.Edits[:edits]
		default:
			s.except(&d, req, a.spec.ID, findings, edits, now)
		}
	}
	refused := slices.ContainsFunc(d.Findings, func(f review.Finding) bool { return f.Effect == review.EffectDeny })
	switch req.Stage {
	case review.Mutate, review.Validate, review.Image:
		if !refused {
			d.Verdict = review.Allow
		}
	case review.Guard:
		if !refused {
			d.Verdict = review.NoOpinion
		}
	case review.Grant:
		if d.Verdict = review.NoOpinion; allowed {
			d.Verdict = review.Allow
		}
	case review.Authenticate:
		identify(req, &d, refused)
	}
	if refused {
		d.Edits = nil
	}
	return d
}

// identify settles whether the token is somebody's for who asks: one that is meant for others only is left to other authenticators.
func identify(req *review.Request, d *review.Decision, refused bool) {
	common, meant := req.Compatible(d.Audiences)
	if !refused && d.Identity != nil && meant {
		d.Verdict, d.Audiences = review.Allow, common
		return
	}
	if d.Identity, d.Audiences = nil, nil; !refused {
		d.Verdict = review.NoOpinion
	}
}

// add puts one answer into the decision. An error is the policy's fault.
func add(d *review.Decision, by review.Origin, a answer) (granted bool, err error) {
	if a.err != nil {
		return false, a.err
	}
	policy := a.spec.ID
	switch a.query.rule {
	case "deny", "warn":
		found, err := findings(a.spec, effect(a, by), a.value)
		d.Findings = append(d.Findings, found...)
		return false, err
	case ViolationRule:
		found, err := violations(a.spec.ID, effect(a, by), a.value)
		d.Findings = append(d.Findings, found...)
		return false, err
	case "allow":
		return addGrant(d, by, a)
	case "mutate":
		asked, err := edits(policy, a.onFault(by), a.value)
		if err == nil && a.inForce(by) {
			d.Edits = append(d.Edits, asked...)
		}
		return false, err
	case "user":
		return false, addUser(d, by, a)
	}
	return false, fmt.Errorf("its rule %s is not one that is asked", a.query.rule)
}

// inForce reports whether what a policy gives, an identity, a permission or an edit, is given: under any weaker enforcement than
// deny it is only worked out.
func (a answer) inForce(by review.Origin) bool { return a.spec.enforcement(by) == EnforceDeny }

// granting is the reason of a policy that gives none.
const granting = "granted"

// addGrant takes the reasons for which a policy allows; a policy may also just say true.
func addGrant(d *review.Decision, by review.Origin, a answer) (granted bool, err error) {
	var reasons []review.Finding
	if yes, ok := a.value.(ast.Boolean); ok {
		if yes {
			reasons = []review.Finding{{Policy: a.spec.ID, Message: granting}}
		}
	} else if reasons, err = findings(a.spec, review.EffectAllow, a.value); err != nil {
		return false, err
	}
	for _, f := range reasons {
		if f.Effect = review.EffectAllow; !a.inForce(by) {
			f.Effect = review.EffectAudit
		}
		d.Findings = append(d.Findings, f)
	}
	return len(reasons) > 0 && a.inForce(by), nil
}

// errTwoUsers is not for a policy's onError to forgive: it says nothing about either policy, but that the token is nobody's for certain.
var errTwoUsers = errors.New("it takes the token for another user, or good for other audiences, than an earlier policy does")

// addUser takes the identity a policy found. Two policies that find two identities in one token leave it nobody's.
func addUser(d *review.Decision, by review.Origin, a answer) error {
	if a.value == nil {
		return nil
	}
	found, err := readIdentity(a.value)
	if err != nil || found == nil || !a.inForce(by) {
		return err
	}
	if d.Identity != nil && !reflect.DeepEqual(identity{*d.Identity, d.Audiences}, *found) {
		return errTwoUsers
	}
	d.Identity, d.Audiences = &found.user, found.audiences
	return nil
}

// effect is what a finding of this rule does: a deny is as strong as the policy's enforcement, a warning never stronger than one.
func effect(a answer, by review.Origin) review.Effect {
	effect := a.spec.enforcement(by).effect()
	if a.query.rule == "warn" && effect == review.EffectDeny {
		return review.EffectWarn
	}
	return effect
}

// fault is the finding that stands for a policy without an answer. A grant that cannot be asked grants nothing, and that is all.
func fault(a answer, by review.Origin, err error) review.Finding {
	f := review.Finding{Policy: a.spec.ID, Fault: true, Message: explain(err), Effect: a.onFault(by)}
	f.Unknown = a.unknown || errors.Is(err, errLate) || errors.Is(err, errQuarantined)
	if a.spec.Convention == Gatekeeper {
		f.Message = withRemedy(f.Message, a.spec.ID)
	}
	if failed, ok := errors.AsType[*topdown.Error](err); ok {
		f.Cause = review.Sentence(failed.Message, review.MaxMessage)
	}
	if errors.Is(err, errTwoUsers) {
		f.Effect = review.EffectDeny
	}
	return f
}

// withRemedy ends the sentence about a constraint, which those who read it have mostly not written, with whom to ask.
func withRemedy(said, constraint string) string {
	remedy := "; this is no judgement of the object: ask whoever looks after the constraint " + constraint
	return review.Sentence(said, max(review.MaxMessage-len(remedy), 0)) + remedy
}

// onFault is what a fault of the policy does to the request.
func (a answer) onFault(by review.Origin) review.Effect {
	if a.query.stage == review.Grant {
		return review.EffectAudit
	}
	return a.spec.faultEffect(by)
}

// explain puts a fault into a sentence that holds nothing of the input, which Rego's own errors quote. They are the finding's Cause. Files
// are spelt as in the faults of loading.
func explain(err error) string {
	said := err.Error()
	if failed, ok := errors.AsType[*topdown.Error](err); ok {
		said = failed.Code
		// OPA's message begins with the name of the function, which is the policy's word.
		if name, _, _ := strings.Cut(failed.Message, ": "); ast.BuiltinMap[name] != nil {
			said = name + " failed"
		}
		if failed.Location != nil {
			said = fmt.Sprintf("%s at %s:%d", said, failed.Location.File, failed.Location.Row)
		}
	}
	return review.Sentence("the policy could not be evaluated: "+said, review.MaxMessage)
}
