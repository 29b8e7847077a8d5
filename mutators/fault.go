package mutators

import (
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// fault is the finding that stands for a policy one of whose edits cannot be made, with the effect its onError asks for. The reasons name
// places and types and quote no values.
func (w wish) fault(reason error) review.Finding {
	f := review.Finding{
		Policy:  w.edit.Policy,
		Effect:  review.EffectDeny,
		Message: review.Sentence(fmt.Sprintf("the edit to %s cannot be made: %v", w.phrase(), reason), review.MaxMessage),
		Field:   spell(w.edit.Path),
		Fault:   true,
	}
	if on := w.edit.OnFault; on == review.EffectWarn || on == review.EffectAudit {
		f.Effect = on
	}
	return f
}

// refuse reports whether one of the findings refuses the request.
func refuse(findings []review.Finding) bool {
	return slices.ContainsFunc(findings, func(f review.Finding) bool { return f.Effect == review.EffectDeny })
}
