package review

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// People do not read of an error of the API server, and programs try again as if it were one.
func TestReasonOfARefusal(t *testing.T) {
	fault := Finding{Policy: "a", Effect: EffectDeny, Message: "the policy could not be evaluated", Fault: true}
	said := Finding{Policy: "b", Effect: EffectDeny, Message: "no owner"}
	for _, c := range []struct {
		findings []Finding
		reason   metav1.StatusReason
		again    bool
	}{
		{[]Finding{fault}, "PolicyNotEvaluated", true},
		{[]Finding{said}, metav1.StatusReasonForbidden, false},
		{[]Finding{fault, said}, metav1.StatusReasonForbidden, false},
	} {
		status := refusalStatus(Decision{Findings: c.findings})
		if again := apierrors.IsInternalError(&apierrors.StatusError{ErrStatus: *status}); status.Reason != c.reason || again != c.again {
			t.Errorf("%v: %s, tried again: %v", c.findings, status.Reason, again)
		}
	}
}
