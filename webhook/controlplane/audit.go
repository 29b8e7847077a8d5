package controlplane

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Events is where the server takes the events of the API server's audit log. It is no callout, since nothing is asked there, and not among All: an
// API server has one audit policy and one audit webhook, which may be somebody else's.
const Events = "/events"

// AuditPolicyFile is the name of the audit policy.
const AuditPolicyFile = "audit-policy.yaml"

// auditWait is for how long an event waits for others to be sent with it, at most. By default it is half a minute.
const auditWait = "5s"

// auditPolicy notes who did what and what came of it, without objects: those of decisions are in their records, masked. It leaves out what a
// cluster does all day to live, and keeps what its controllers write.
func (o Options) auditPolicy() auditv1.Policy {
	reads := []string{"get", "list", "watch"}
	return auditv1.Policy{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		// The answer is in the later stages, and the first would double the number of events.
		OmitStages: []auditv1.Stage{auditv1.StageRequestReceived},
		Rules: []auditv1.PolicyRule{
			{Level: auditv1.LevelNone, NonResourceURLs: []string{"/livez*", "/readyz*", "/healthz*", "/version", "/openapi*", "/metrics"}},
			{Level: auditv1.LevelNone, Resources: []auditv1.GroupResources{
				{Group: "", Resources: []string{"events"}},
				{Group: "events.k8s.io", Resources: []string{"events"}},
				{Group: "coordination.k8s.io", Resources: []string{"leases"}},
			}},
			{Level: auditv1.LevelNone, Verbs: reads, UserGroups: []string{"system:nodes", "system:serviceaccounts:kube-system"}},
			{Level: auditv1.LevelNone, Verbs: reads, Users: append([]string{
				"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy",
			}, o.Unasked...)},
			{Level: auditv1.LevelMetadata},
		},
	}
}
