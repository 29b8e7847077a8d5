// Package status tells, at Gatekeeper's objects in the cluster, what became of them, where Gatekeeper's users look for it: in status.byPod, an
// entry for each replica, and in status.created of a template. One server writes, the leader. There are no objects beside them, as Gatekeeper's
// PodStatus are. What an audit finds, totalViolations, violations and auditTimestamp, is written of what each replica says it has found, and left
// alone where a Gatekeeper audits the same constraints.
package status
