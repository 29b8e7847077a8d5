package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// auditPolicy records who did what, without the objects, and leaves out what a control plane does all day.
func auditPolicy() auditv1.Policy {
	return auditv1.Policy{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		// The answer is in the later stages, and the first would double the number of events.
		OmitStages: []auditv1.Stage{auditv1.StageRequestReceived},
		Rules: []auditv1.PolicyRule{
			{Level: auditv1.LevelNone, UserGroups: []string{"system:nodes", "system:serviceaccounts:kube-system"}},
			{Level: auditv1.LevelNone, Users: []string{"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"}},
			{Level: auditv1.LevelNone, NonResourceURLs: []string{"/livez*", "/readyz*", "/healthz*", "/version", "/openapi*"}},
			{Level: auditv1.LevelNone, Resources: []auditv1.GroupResources{
				{Group: "", Resources: []string{"events"}},
				{Group: "events.k8s.io", Resources: []string{"events"}},
				{Group: "coordination.k8s.io", Resources: []string{"leases"}},
			}},
			{Level: auditv1.LevelMetadata},
		},
	}
}
