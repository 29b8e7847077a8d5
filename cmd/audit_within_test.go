package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// auditedWithin audits namespaces of the cluster of testdata/audit-cluster, by one who has rights in one of them alone.
func auditedWithin(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	kubectl(t, c, "", "create", "role", "tenants", "-n=lab", "--verb=get,list", "--resource=*.*")
	kubectl(t, c, "", "create", "rolebinding", "tenants", "-n=lab", "--role=tenants", "--group=tenants")
	by := func(user string, args ...string) (int, []string, []string, string) {
		code, report, stderr := audited(t, c, user, append([]string{"--policies=library:pods.privileged", "--policies=library:best-practice", "--policy=pods.privileged"}, args...)...)
		troubles := []string{}
		for _, coverage := range report.Coverage {
			if coverage.Trouble != "" {
				troubles = append(troubles, coverage.Trouble)
			}
		}
		return code, resulting(report), troubles, stderr
	}
	// Exceptions lie in no namespace that the tenant may look at, so that the one of lab/root is not known.
	const exceptions = "The cluster's exceptions are not known, so that what they except is not shown as excepted: "
	code, results, troubles, stderr := by("tenant", "--namespace=lab")
	if code != exitPartial || !slices.Equal(results, []string{"fail pods.privileged Pod lab/root"}) || len(troubles) != 1 || !strings.HasPrefix(troubles[0], exceptions) {
		t.Errorf("by who has rights in lab alone: exit code %d, %q, %q\n%s", code, results, troubles, stderr)
	}
	beside := writeFiles(t, map[string]string{"told.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [namespaces, persistentvolumes]}}\npackage told\n\n" +
		"deny contains \"it has no team\" if not input.request.object.metadata.labels.team\n"})
	code, report, stderr := audited(t, c, "tenant", "--namespace=lab", "--policies="+beside)
	if len(report.Coverage) != 2 || !slices.Equal(resulting(report), []string{"fail told Namespace lab"}) {
		t.Errorf("of the namespace itself: exit code %d, %+v\n%s", code, report, stderr)
	}
	code, results, troubles, stderr = by("tenant", "-n=lab", "-n=shop")
	const lacking = "You may not list pods in namespace shop: a role that allows the verb list on it there is needed."
	if code != exitPartial || !slices.Equal(results, []string{"fail pods.privileged Pod lab/root"}) || !slices.Contains(troubles, lacking) {
		t.Errorf("of a namespace in which they have none, too: exit code %d, %q, %q\n%s", code, results, troubles, stderr)
	}
	code, results, troubles, stderr = by("tenant")
	const everywhere = "You may not list pods: a role that allows the verb list on it is needed."
	if code != exitPartial || len(results) > 0 || !slices.Contains(troubles, everywhere) {
		t.Errorf("of the whole cluster: exit code %d, %q, %q\n%s", code, results, troubles, stderr)
	}
	code, results, troubles, stderr = by("", "-n=lab", "-n=shop", "-n=lab")
	if want := []string{"skip pods.privileged Pod lab/root lab/agent", "fail pods.privileged Pod shop/root"}; code != exitRefused || !slices.Equal(results, want) || len(troubles) > 0 {
		t.Errorf("of two namespaces: exit code %d, %q, %q\n%s", code, results, troubles, stderr)
	}
	code, _, _, stderr = by("", "-n=shpo")
	if code != exitFault || !strings.Contains(stderr, "--namespace shpo: the cluster has no such namespace") {
		t.Errorf("of a namespace that is not there: exit code %d\n%s", code, stderr)
	}
	code, _, stderr = audited(t, c, "tenant", "--namespace=lab")
	if code != exitFault || !strings.Contains(stderr, "the cluster's policies cannot be listed, so that --policies is needed: ") {
		t.Errorf("by policies that may not be listed: exit code %d\n%s", code, stderr)
	}
}
