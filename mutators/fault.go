package mutators

import (
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// fault is the finding that stands for the policy of an edit when its edits are not made, with the effect its onError asks for. Messages name
// places and types and quote no values.
func fault(e review.Edit, message, field string) review.Finding {
	f := review.Finding{
		Policy:  e.Policy,
		Effect:  review.EffectDeny,
		Message: review.Sentence(message, review.MaxMessage),
		Field:   field,
		Fault:   true,
	}
	if on := e.OnFault; on == review.EffectWarn || on == review.EffectAudit {
		f.Effect = on
	}
	return f
}

// refuse reports whether one of the findings refuses the request.
func refuse(findings []review.Finding) bool {
	return slices.ContainsFunc(findings, func(f review.Finding) bool { return f.Effect == review.EffectDeny })
}
