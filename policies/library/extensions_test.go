package library

import (
	"slices"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
)

// extensions.api_services keeps what Kubernetes serves itself: all that its clients know, and the two groups that its API server adds.
func TestGroupsOfKubernetesAreReserved(t *testing.T) {
	want := []string{"apiextensions.k8s.io", "apiregistration.k8s.io"}
	for _, gv := range scheme.Scheme.PrioritizedVersionsAllGroups() {
		switch gv.Group {
		case "extensions", "imagepolicy.k8s.io": // not served any more, and never served
		default:
			want = append(want, gv.Group)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	all := policies(t)
	p := all[slices.IndexFunc(all, func(p policy) bool { return p.name == "extensions.api_services" })]
	var got []string
	for _, group := range p.said.parameters()["reservedGroups"].([]any) {
		got = append(got, group.(string))
	}
	if !slices.Equal(got, want) {
		t.Errorf("reservedGroups:\n got %v\nwant %v", got, want)
	}
}
