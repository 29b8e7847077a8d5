package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Word is what the status of an object of Gatekeeper's says of it, as a release wrote it there.
type Word struct {
	// Said reports whether it says anything of the object as it is now.
	Said bool
	// Fault is why it is not in force, empty if nothing is wrong. Passing says that this passes by itself, as while replicas read it.
	Fault   string
	Passing bool
	// Lacking is what it reads that is not known, as of a kind that may not be listed; the object itself is well.
	Lacking string
}

// Has reports whether objects of a kind have a status that is written.
func Has(at schema.GroupVersionResource) bool {
	_, ok := shapeOf(at)
	return ok
}

// Read returns what the replicas of a release have said at an object. A definition that keeps no conditions has them said in the entries alone.
func Read(u *unstructured.Unstructured, release string) (out Word) {
	_, own := entries(u, release)
	for _, entry := range own {
		generation, _, _ := unstructured.NestedInt64(entry, "observedGeneration")
		if generation != u.GetGeneration() {
			continue
		}
		out.Said = true
		errs, _, _ := unstructured.NestedSlice(entry, "errors")
		for _, one := range errs {
			content, _ := one.(map[string]any)
			switch message, _ := content["message"].(string); {
			case message == "" || restsByChoice(message):
			case content["code"] == codeLacking:
				out.Lacking = message
			default:
				out.Fault = message
			}
		}
	}
	ready := meta.FindStatusCondition(conditionsOf(u), "Ready")
	if len(own) == 0 || ready == nil || ready.ObservedGeneration != u.GetGeneration() {
		return out
	}
	out.Said = true
	if ready.Status == metav1.ConditionFalse && ready.Reason == reasonLacking && out.Lacking == "" { // not every entry has codes
		out.Lacking, out.Fault = ready.Message, ""
	}
	if ready.Status == metav1.ConditionFalse && out.Fault == "" && ready.Reason != reasonLacking && !restsByChoice(ready.Message) {
		out.Fault, out.Passing = ready.Message, ready.Reason == reasonRollingOut || ready.Reason == reasonKindMissing
	}
	return out
}
