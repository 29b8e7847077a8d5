package status

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// The reasons of a Policy's conditions.
const (
	ReasonCompiled       = "Compiled"
	ReasonFaulty         = "Faulty"
	ReasonEverywhere     = "ServedByAll"
	ReasonRollingOut     = "RollingOut"
	ReasonUnknown        = "ReplicasUnknown"
	ReasonLastGoodServes = "LastGoodServes"
	ReasonUninformed     = "DataUnavailable"
)

// maxMessage is what the CRD lets a message be.
const maxMessage = 4096

// Replica is a server that is alive.
type Replica interface {
	// Serves reports whether it serves that version of a policy, which is in a set of policies of that revision.
	Serves(revision, policy, version string) bool
}

// Replicas are those of the release that are alive.
type Replicas func() ([]Replica, error)

// judge says what the status of a Policy should be, given what it is: conditions that stay keep their time.
func (p page) judge(policy *v1alpha1.Policy, fault string, replicas Replicas) v1alpha1.PolicyStatus {
	out := *policy.Status.DeepCopy()
	out.ObservedGeneration = policy.Generation
	out.Stage, out.Enforcement, out.Revision, out.Replicas, out.Message = "", "", "", "", ""
	c := conditions{&out.Conditions, policy.Generation}
	served := p.served(policy.Name)
	if served != nil {
		out.Stage, out.Enforcement = stages(served.Spec()), string(served.Spec().Enforcement)
		p.counted(&out, served.Spec())
	}
	p.inform(c, served)
	if served == nil && fault == "" {
		fault = fmt.Sprintf("policy/%s: it is not in force, and nothing is known against it; the server's log may say more", policy.Name)
	}
	if fault != "" {
		out.Message = fault
		c.no(v1alpha1.PolicyCompiled, ReasonFaulty, fault)
		if served != nil {
			c.yes(v1alpha1.PolicyStalled, ReasonLastGoodServes, "the last good version stays in force until this one is mended")
			c.no(v1alpha1.PolicyReady, ReasonFaulty, "an earlier version is served, because this one is faulty")
		} else {
			c.remove(v1alpha1.PolicyStalled)
			c.no(v1alpha1.PolicyReady, ReasonFaulty, "no version is served, because this one is faulty and there is no earlier one")
		}
		return out
	}
	c.remove(v1alpha1.PolicyStalled)
	c.yes(v1alpha1.PolicyCompiled, ReasonCompiled, "")
	out.Revision = p.load.Set.Revision()
	p.register(c, policy, served)
	members, err := replicas()
	if err != nil {
		c.no(v1alpha1.PolicyReady, ReasonUnknown, review.Sentence(err.Error(), maxMessage))
		return out
	}
	serve := 0
	for _, member := range members {
		if member.Serves(out.Revision, policy.Name, served.Spec().Digest) {
			serve++
		}
	}
	out.Replicas = fmt.Sprintf("%d/%d", serve, len(members))
	if serve < len(members) || serve == 0 {
		c.no(v1alpha1.PolicyReady, ReasonRollingOut, fmt.Sprintf("%d of %d replicas serve it", serve, len(members)))
		return out
	}
	c.ready()
	return out
}

// ready says whether a policy which every replica serves does what it is there for.
func (c conditions) ready() {
	is := func(kind string) metav1.Condition {
		if found := meta.FindStatusCondition(*c.list, kind); found != nil {
			return *found
		}
		return metav1.Condition{Status: metav1.ConditionTrue} // it is not about such a policy
	}
	switch registered, informed := is(v1alpha1.PolicyRegistered), is(v1alpha1.PolicyInformed); {
	case registered.Status != metav1.ConditionTrue: // whoever does not know does not know
		c.set(v1alpha1.PolicyReady, registered.Status, registered.Reason, registered.Message)
	case informed.Status != metav1.ConditionTrue:
		c.no(v1alpha1.PolicyReady, ReasonUninformed, informed.Message)
	default:
		c.yes(v1alpha1.PolicyReady, ReasonEverywhere, "")
	}
}

// policy is what to write at a Policy.
func (w *Writer) policy(page page, u *unstructured.Unstructured) (change, error) {
	var policy v1alpha1.Policy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &policy); err != nil {
		return change{}, err
	}
	wanted := page.judge(&policy, page.fault(u), w.Replicas)
	anyway := !reflect.DeepEqual(wanted, policy.Status)
	counted, wrote := w.tally.add(u.GetUID(), &wanted, anyway)
	if !anyway && !counted {
		return change{}, nil
	}
	out, err := statusOf(u, wanted)
	out.wrote = wrote
	informed := changed(policy.Status.Conditions, wanted.Conditions, v1alpha1.PolicyInformed)
	registered := changed(policy.Status.Conditions, wanted.Conditions, v1alpha1.PolicyRegistered)
	switch {
	case wanted.Message != "" && wanted.Message != policy.Status.Message:
		reason := ReasonFaulty
		if meta.IsStatusConditionTrue(wanted.Conditions, v1alpha1.PolicyStalled) {
			reason = ReasonLastGoodServes
		}
		out.told = &happening{reason, "Compile", wanted.Message}
	case informed != nil && informed.Status == metav1.ConditionFalse:
		out.told = &happening{informed.Reason, "Inform", informed.Message}
	case registered != nil && (registered.Reason == ReasonNeverAsked || registered.Reason == ReasonNotHeard):
		out.told = &happening{registered.Reason, "Register", registered.Message}
	}
	return out, err
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

// fault returns everything that is wrong with a Policy, PolicyException or ConfigMap, or nothing.
func (p page) fault(u *unstructured.Unstructured) string {
	return review.Sentence(strings.Join(p.faults(u), "; "), maxMessage)
}

func (p page) faults(u *unstructured.Unstructured) []string {
	var lines []string
	for _, fault := range p.load.Faults {
		if source.ReadFrom(u, fault.File) {
			lines = append(lines, strings.Split(fault.Err.Error(), "\n")...)
		}
	}
	return lines
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
