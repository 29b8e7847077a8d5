package release_test

import "testing"

// A kind that policies are about and that the server may not list is told of the Lease, with the right that is missing.
func TestAKindThatMayNotBeAuditedIsTold(t *testing.T) {
	t.Parallel()
	w := installTroubled(t) // whose role lets nothing be listed for the audit
	w.serve(t, "one", w.listen, w.health, "--audit", "--audit-reports=none")
	w.kubectl(t, noTeam, "apply", "-f", "-")
	w.kubectl(t, "", "wait", "--for=condition=Ready", "policy/team", "--timeout=60s")
	w.told(t, "guard", leader, "AuditIncomplete", "not all that policies are about is audited: ")
	w.told(t, "guard", leader, "AuditIncomplete", "configmaps")
}
