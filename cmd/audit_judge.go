package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// auditPolicies says of the policies of a Set what an audit says of them, by ID.
func auditPolicies(set *policies.Set) []audit.Policy {
	var out []audit.Policy
	for _, policy := range set.Policies() {
		out = append(out, auditPolicy(policy))
	}
	slices.SortFunc(out, func(a, b audit.Policy) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func auditPolicy(policy *policies.Policy) audit.Policy {
	spec := policy.Spec()
	return audit.Policy{
		ID: spec.ID, Title: spec.Title, Description: spec.Description, Severity: spec.Severity, Controls: spec.Controls,
		Effect: atTheDoor(spec), Unaudited: policy.Unaudited(),
	}
}

// atTheDoor is what a policy's refusals do to requests.
func atTheDoor(spec policies.Spec) review.Effect {
	switch spec.EnforcementBy(review.FromWebhook) {
	case policies.EnforceDeny:
		return review.EffectDeny
	case policies.EnforceWarn:
		return review.EffectWarn
	default:
		return review.EffectAudit
	}
}

const (
	// auditTime is what one object may take: what an API server gives an admission webhook by default, so that a policy which answers at the door
	// answers here.
	auditTime = askTime
	// The reasons for which no policy is asked about an object.
	skippedExempt = "namespace is exempt"
	skippedSpared = "namespace is excluded by Gatekeeper's Config"
)

// auditJudge is an audit.Judge that asks the policies of a Set. Exempt are the namespaces in which nothing is judged, as at admission.
type auditJudge struct {
	set      *policies.Set
	exempt   []string
	severity map[string]string
}

func newAuditJudge(set *policies.Set, exempt []string) *auditJudge {
	j := &auditJudge{set: set, exempt: exempt, severity: map[string]string{}}
	for _, policy := range set.Policies() {
		if spec := policy.Spec(); spec.Severity != "" {
			j.severity[spec.ID] = spec.Severity
		}
	}
	return j
}

// Judge implements audit.Judge.
func (j *auditJudge) Judge(ctx context.Context, about audit.Object, object json.RawMessage, only func(string) bool) (audit.Judgement, error) {
	target := review.Target{
		Group: about.Group, Version: about.Version, Resource: about.Resource, Kind: about.Kind, Namespace: about.Namespace, Name: about.Name,
	}
	if slices.Contains(j.exempt, target.Inside()) {
		return audit.Judgement{Skipped: skippedExempt}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	found, err := j.set.Audit(bounded, target, object, only)
	if err != nil {
		return audit.Judgement{}, err
	}
	out := audit.Judgement{Asked: found.Asked}
	if len(found.Asked) == 0 && found.Spared {
		out.Skipped = skippedSpared
	}
	for _, f := range found.Findings {
		result := audit.Result{
			Policy: f.Policy, Object: about, Outcome: outcomeOf(f), Severity: j.severity[f.Policy], Message: f.Message, Field: f.Field,
			Exception: f.Exception,
		}
		same := func(r audit.Result) bool {
			return r.Policy == result.Policy && r.Message == result.Message && r.Field == result.Field && r.Outcome == result.Outcome
		}
		if !slices.ContainsFunc(out.Results, same) {
			out.Results = append(out.Results, result)
		}
	}
	return out, nil
}

// outcomeOf is what a finding comes to, whatever the enforcement of its policy.
func outcomeOf(f policies.AuditFinding) audit.Outcome {
	switch {
	case f.Exception != nil:
		return audit.Skip
	case f.Fault:
		return audit.Fault
	case f.Warning:
		return audit.Warn
	default:
		return audit.Fail
	}
}

var _ audit.Judge = (*auditJudge)(nil)
