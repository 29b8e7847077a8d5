package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// The reasons of the condition Registered.
const (
	// ReasonAsked is that of a policy about which the API server asks, by a registration that was seen to be in force.
	ReasonAsked = "Asked"
	// ReasonHeard is that of a policy at whose stage the API server has asked, as its own configuration has it do.
	ReasonHeard = "Heard"
	// ReasonNotHeard is that of one at whose stage it has not asked since the servers were started.
	ReasonNotHeard = "NotHeard"
	// ReasonRegistering is that of one whose registration was not seen to be in force yet.
	ReasonRegistering = "Registering"
	// ReasonNeverAsked is that of one that is only about what nobody is asked about.
	ReasonNeverAsked = "NeverAsked"
	// ReasonUnlocked is that of every policy while somebody has unlocked the cluster.
	ReasonUnlocked = "Unlocked"
	// ReasonUnregistered is that of every policy while the registration cannot be written, or is not seen to be in force.
	ReasonUnregistered = "RegistrationFailing"
	// ReasonWeakened is the same, where requests pass for want of an answer.
	ReasonWeakened = "Weakened"
)

// Asking says whether the API server asks about a policy: False names the reason, and Unknown is for who does not know yet. The zero value
// is Unknown.
type Asking struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// register says whether the API server asks about a policy. Who leads since a moment ago does not know, and lets stand what was said of this
// version of the Policy. What was heard once stays heard: servers are restarted, and images and tokens are not asked about all the time.
func (p page) register(c conditions, policy *v1alpha1.Policy, served *policies.Policy) {
	if p.asking == nil || served.Spec().Enforcement == policies.EnforceOff {
		c.remove(v1alpha1.PolicyRegistered)
		return
	}
	asking := p.asking(served)
	before := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.PolicyRegistered)
	known := before != nil && before.ObservedGeneration == policy.Generation
	switch {
	case asking.Status == "" || asking.Status == metav1.ConditionUnknown:
		if !known {
			c.set(v1alpha1.PolicyRegistered, metav1.ConditionUnknown, ReasonRegistering, "it is not known yet whether the API server asks about it")
		}
	case asking.Reason == ReasonNotHeard && known && before.Reason == ReasonHeard:
	default:
		c.set(v1alpha1.PolicyRegistered, asking.Status, asking.Reason, review.Sentence(asking.Message, maxMessage))
	}
}
