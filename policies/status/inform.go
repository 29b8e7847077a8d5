package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// The reasons of the condition Informed.
const (
	ReasonKnown   = "Known"
	ReasonListing = "Listing"
	ReasonMissing = "Missing"
	ReasonTooOld  = "TooOld"
)

// inform says whether what a policy reads of the cluster is known to this server, the leader.
func (p page) inform(c conditions, served *policies.Policy) {
	if served == nil || len(served.Spec().Data) == 0 || served.Spec().Enforcement == policies.EnforceOff || p.objects == nil {
		c.remove(v1alpha1.PolicyInformed)
		return
	}
	reason, lines := ReasonKnown, []string(nil)
	known := p.objects.Status(time.Now())
	for _, name := range served.Spec().Data {
		at := slices.IndexFunc(known, func(s inventory.Status) bool { return s.Kind == name })
		switch {
		case at < 0:
			if reason == ReasonKnown {
				reason = ReasonListing
			}
			lines = append(lines, fmt.Sprintf("%s are still being listed", name))
		case !known[at].Listed:
			reason = ReasonMissing
			lines = append(lines, fmt.Sprintf("nothing is known of %s: %s", name, known[at].Why))
		case known[at].Age > served.Spec().MaxStaleness:
			if reason != ReasonMissing {
				reason = ReasonTooOld
			}
			lines = append(lines, fmt.Sprintf("what is known of %s is older than %s", name, served.Spec().MaxStaleness))
		}
	}
	message := review.Sentence(strings.Join(lines, "; "), maxMessage)
	switch reason {
	case ReasonKnown:
		c.yes(v1alpha1.PolicyInformed, reason, "")
	case ReasonListing:
		c.set(v1alpha1.PolicyInformed, metav1.ConditionUnknown, reason, message)
	default:
		c.no(v1alpha1.PolicyInformed, reason, review.Sentence(message+"; until it is known, the policy's onError decides", maxMessage))
	}
}
