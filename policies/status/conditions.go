package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditions are those of one generation of an object. One that stays as it is keeps its time.
type conditions struct {
	list       *[]metav1.Condition
	generation int64
}

func (c conditions) set(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.list, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: c.generation,
	})
}

func (c conditions) yes(kind, reason, message string) {
	c.set(kind, metav1.ConditionTrue, reason, message)
}

func (c conditions) no(kind, reason, message string) {
	c.set(kind, metav1.ConditionFalse, reason, message)
}

func (c conditions) remove(kind string) { meta.RemoveStatusCondition(c.list, kind) }

// changed returns the condition of that type if it has become another: it is there now and was not, or its status, its reason or its message was
// another.
func changed(before, now []metav1.Condition, kind string) *metav1.Condition {
	is, was := meta.FindStatusCondition(now, kind), meta.FindStatusCondition(before, kind)
	if is == nil || was != nil && was.Status == is.Status && was.Reason == is.Reason && was.Message == is.Message {
		return nil
	}
	return is
}
