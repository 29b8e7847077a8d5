package registration

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestUnasked(t *testing.T) {
	pods, nodes, leases := Resource{"", "pods", ""}, Resource{"", "nodes", "status"}, Resource{"coordination.k8s.io", "leases", ""}
	remove := []admissionregistrationv1.OperationType{admissionregistrationv1.Delete}
	for _, row := range []struct {
		what      string
		interests []Interest
		want      string
		all       bool
	}{
		{"nothing is wanted", nil, "", false},
		{"everything", []Interest{{Phase: Validate}}, "", false},
		{"Pods", []Interest{{Phase: Validate, Resources: []Resource{pods}}}, "", false},
		{
			"nodes and leases",
			[]Interest{{Phase: Validate, Resources: []Resource{nodes, leases}}},
			"the API server is never asked about leases.coordination.k8s.io, nodes/status, by which a cluster gets Portcullis back; " +
				"who may write them can be judged at stage guard", true,
		},
		{
			"nodes and Pods, at both phases",
			[]Interest{{Phase: Mutate, Resources: []Resource{nodes, pods}}, {Phase: Validate, Resources: []Resource{nodes, pods}}},
			"the API server is never asked about nodes/status, by which a cluster gets Portcullis back; who may write them can be judged at stage guard", false,
		},
		{
			"an exempt namespace",
			[]Interest{{Phase: Validate, Resources: []Resource{pods}, Namespaces: []string{"kube-system"}}},
			"the API server is never asked about what is in kube-system, which is exempt; who may write there can be judged at stage guard", true,
		},
		{
			"one beside another",
			[]Interest{{Phase: Validate, Resources: []Resource{pods}, Namespaces: []string{"kube-system", "shop"}}},
			"the API server is never asked about what is in kube-system, which is exempt; who may write there can be judged at stage guard", false,
		},
		{"a pattern", []Interest{{Phase: Validate, Resources: []Resource{pods}, Namespaces: []string{"kube-*"}}}, "", false},
		{"what is not served", []Interest{{Phase: Validate, Resources: []Resource{}}}, "", true},
		{
			"a change of what goes",
			[]Interest{{Phase: Mutate, Resources: []Resource{pods}, Operations: remove}},
			"the API server is never asked to change what is being deleted", true,
		},
		{
			"a change of what goes, which is judged, too",
			[]Interest{{Phase: Mutate, Resources: []Resource{pods}, Operations: remove}, {Phase: Validate, Resources: []Resource{pods}, Operations: remove}},
			"", false,
		},
	} {
		got, all := Unasked(row.interests, []string{"kube-system", "guard"})
		if strings.Join(got, "\n") != row.want || all != row.all {
			t.Errorf("%s: all=%v\n got %s\nwant %s", row.what, all, strings.Join(got, "\n"), row.want)
		}
	}
}
