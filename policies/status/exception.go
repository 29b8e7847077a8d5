package status

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
	"github.com/portcullis-dev/portcullis/review"
)

// The reasons of a PolicyException's conditions, beside ReasonFaulty.
const (
	ReasonAccepted = "Accepted"
	ReasonTooLong  = "TooLong"
	ReasonInForce  = "InForce"
	ReasonExpired  = "Expired"
	ReasonNotYet   = "NotYet"
	// ReasonUnknownPolicies is that of an exception that names policies which do not exist: all, and then it is not active, or some.
	ReasonUnknownPolicies = "UnknownPolicies"
)

// judgeException says what the status of a PolicyException should be, given what it is.
func (p page) judgeException(e *v1alpha1.PolicyException, fault string, now time.Time) v1alpha1.PolicyExceptionStatus {
	out := *e.Status.DeepCopy()
	out.ObservedGeneration = e.Generation
	c := conditions{&out.Conditions, e.Generation}
	if fault != "" {
		reason := ReasonFaulty
		if e.Spec.Expires.After(now.Add(native.MaxTerm)) {
			reason = ReasonTooLong
		}
		c.no(v1alpha1.ExceptionAccepted, reason, fault)
		c.no(v1alpha1.ExceptionActive, reason, "it excepts nothing, because it is faulty")
		c.remove(v1alpha1.ExceptionExpired)
		return out
	}
	c.yes(v1alpha1.ExceptionAccepted, ReasonAccepted, "")
	if !now.Before(e.Spec.Expires.Time) {
		c.no(v1alpha1.ExceptionActive, ReasonExpired, "it ended at "+e.Spec.Expires.UTC().Format(time.RFC3339))
		c.yes(v1alpha1.ExceptionExpired, ReasonExpired, "what it excepted is judged again; delete it, or renew it with a later spec.expires")
		return out
	}
	c.no(v1alpha1.ExceptionExpired, ReasonNotYet, "")
	switch unknown := p.unknown(e.Spec.Policies); {
	case len(unknown) == len(e.Spec.Policies):
		c.no(v1alpha1.ExceptionActive, ReasonUnknownPolicies, "it excepts nothing: "+p.noSuchPolicies(unknown))
	case len(unknown) > 0:
		c.yes(v1alpha1.ExceptionActive, ReasonUnknownPolicies, p.noSuchPolicies(unknown))
	default:
		c.yes(v1alpha1.ExceptionActive, ReasonInForce, "")
	}
	return out
}

// unknown are those of the names that no policy in force has.
func (p page) unknown(names []string) []string {
	have := map[string]bool{}
	if p.load.Set != nil {
		for _, policy := range p.load.Set.Policies() {
			have[policy.Spec().ID] = true
		}
	}
	var out []string
	for _, name := range names {
		if !have[name] {
			out = append(out, name)
		}
	}
	return out
}

func (p page) noSuchPolicies(names []string) string {
	what := "there is no policy "
	if len(names) > 1 {
		what = "there are no policies "
	}
	remedy := "; correct spec.policies, or put it in force"
	if near := source.Meant(p.load.Set, names[0]); len(near) > 0 {
		remedy = fmt.Sprintf("; did you mean %s by %s?", spelling.Listed(near, "or"), names[0])
	}
	return review.Sentence(what+strings.Join(names, ", ")+remedy, maxMessage)
}

// exception is what to write at a PolicyException.
func (w *Writer) exception(page page, u *unstructured.Unstructured) (change, error) {
	var e v1alpha1.PolicyException
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &e); err != nil {
		return change{}, err
	}
	wanted := page.judgeException(&e, page.fault(u), time.Now())
	if reflect.DeepEqual(wanted, e.Status) {
		return change{}, nil
	}
	out, err := statusOf(u, wanted)
	for _, kind := range []string{v1alpha1.ExceptionAccepted, v1alpha1.ExceptionActive} {
		if c := changed(e.Status.Conditions, wanted.Conditions, kind); c != nil && c.Message != "" {
			out.told = &happening{reason: c.Reason, action: "Except", note: c.Message}
			break // that it is not active follows from what was said
		}
	}
	return out, err
}
