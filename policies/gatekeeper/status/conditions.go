package status

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// conditionsOf are those of an object.
func conditionsOf(u *unstructured.Unstructured) (out []metav1.Condition) {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, one := range all {
		content, _ := one.(map[string]any)
		var c metav1.Condition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &c); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// readiness reports whether the object has the condition, and what its conditions are with it.
func (j judgement) readiness(u *unstructured.Unstructured, now time.Time) (has bool, with []metav1.Condition) {
	with = conditionsOf(u)
	wanted := j.ready
	wanted.ObservedGeneration, wanted.LastTransitionTime = u.GetGeneration(), metav1.NewTime(now)
	return !meta.SetStatusCondition(&with, wanted), with
}

// text is what is ours to say, to be compared.
func (j judgement) text(release string) string {
	text, _ := json.Marshal([]any{j.own(release), j.created, j.ready}) // of texts and numbers
	return string(text)
}
