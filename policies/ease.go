package policies

import (
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// eased stands before what would have been refused.
const eased = "not refused, because gatekeeper-enforcement is warn: "

// WithGatekeeperWarnings has what policies of the Gatekeeper convention would refuse, and what cannot be judged by them, be warnings that say
// so. It is for the time in which Gatekeeper itself still decides.
func WithGatekeeperWarnings() Option { return func(s *Set) { s.eases = true } }

// ease makes warnings of refusals.
func (s *Set) ease(d *review.Decision, req *review.Request) {
	if !s.eases || req.Stage != review.Validate || d.Verdict != review.Deny {
		return
	}
	native := map[string]bool{}
	for _, policy := range s.policies {
		if policy.spec.Convention != Gatekeeper {
			native[policy.spec.ID] = true
		}
	}
	for i, f := range d.Findings {
		if f.Effect == review.EffectDeny && !native[f.Policy] {
			d.Findings[i].Effect, d.Findings[i].Message = review.EffectWarn, review.Sentence(eased+f.Message, review.MaxMessage)
		}
	}
	if !slices.ContainsFunc(d.Findings, func(f review.Finding) bool { return f.Effect == review.EffectDeny }) {
		d.Verdict = review.Allow
	}
}
