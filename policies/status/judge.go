package status

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// The reasons of the conditions.
const (
	ReasonCompiled       = "Compiled"
	ReasonFaulty         = "Faulty"
	ReasonEverywhere     = "ServedByAll"
	ReasonRollingOut     = "RollingOut"
	ReasonUnknown        = "ReplicasUnknown"
	ReasonLastGoodServes = "LastGoodServes"
)

// maxMessage is what the CRD lets a message be.
const maxMessage = 4096

// Replicas are how many replicas are alive and what each serves, by revision.
type Replicas func() (revisions []string, err error)

// judge says what the status of a Policy should be, given what it is: conditions that stay keep their time.
func (p page) judge(policy *v1alpha1.Policy, replicas Replicas) v1alpha1.PolicyStatus {
	out := *policy.Status.DeepCopy()
	out.ObservedGeneration = policy.Generation
	out.Stage, out.Enforcement, out.Revision, out.Replicas, out.Message = "", "", "", "", ""
	set := func(kind string, is bool, reason, message string) {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&out.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: policy.Generation,
		})
	}
	served := p.served(policy.Name)
	if served != nil {
		out.Stage, out.Enforcement = stages(served.Spec()), string(served.Spec().Enforcement)
	}
	fault := p.fault(policy.Name)
	if served == nil && fault == "" {
		fault = fmt.Sprintf("policy/%s: it is not in force, and nothing is known against it; the server's log may say more", policy.Name)
	}
	if fault != "" {
		out.Message = fault
		set(v1alpha1.PolicyCompiled, false, ReasonFaulty, fault)
		if served != nil {
			set(v1alpha1.PolicyStalled, true, ReasonLastGoodServes, "the last good version stays in force until this one is mended")
			set(v1alpha1.PolicyReady, false, ReasonFaulty, "an earlier version is served, because this one is faulty")
		} else {
			meta.RemoveStatusCondition(&out.Conditions, v1alpha1.PolicyStalled)
			set(v1alpha1.PolicyReady, false, ReasonFaulty, "no version is served, because this one is faulty and there is no earlier one")
		}
		return out
	}
	meta.RemoveStatusCondition(&out.Conditions, v1alpha1.PolicyStalled)
	set(v1alpha1.PolicyCompiled, true, ReasonCompiled, "")
	out.Revision = p.load.Set.Revision()
	revisions, err := replicas()
	if err != nil {
		set(v1alpha1.PolicyReady, false, ReasonUnknown, review.Sentence(err.Error(), maxMessage))
		return out
	}
	serve := 0
	for _, revision := range revisions {
		if p.serves(revision, policy.Name, served.Spec().Digest) {
			serve++
		}
	}
	out.Replicas = fmt.Sprintf("%d/%d", serve, len(revisions))
	if serve == len(revisions) && serve > 0 {
		set(v1alpha1.PolicyReady, true, ReasonEverywhere, "")
	} else {
		set(v1alpha1.PolicyReady, false, ReasonRollingOut, fmt.Sprintf("%d of %d replicas serve it", serve, len(revisions)))
	}
	return out
}

// served returns the Policy of that name as it is in force, or nil.
func (p page) served(name string) *policies.Policy {
	if p.load.Set == nil {
		return nil
	}
	for _, policy := range p.load.Set.Policies() {
		if policy.Spec().ID == name && policy.Spec().File == source.PolicyFileName(name) {
			return policy
		}
	}
	return nil
}

// fault returns everything that is wrong with the Policy of that name, or nothing.
func (p page) fault(name string) string {
	var lines []string
	for _, fault := range p.load.Faults {
		if fault.File == source.PolicyFileName(name) {
			lines = append(lines, strings.Split(fault.Err.Error(), "\n")...)
		}
	}
	return review.Sentence(strings.Join(lines, "; "), maxMessage)
}

// stages are when a policy is asked, as match.stage spells it.
func stages(spec policies.Spec) string {
	var out []string
	for _, rule := range spec.Rules {
		stage := string(rule.Stage)
		if rule.Stage == review.Mutate || rule.Stage == review.Validate {
			stage = "admission"
		}
		out = append(out, stage)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}
