package cmd

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// audited is the audit of a cluster by one of its users.
func audited(t *testing.T, c *cluster.Cluster, user string, args ...string) (code int, report audit.Report, stderr string) {
	t.Helper()
	kubeconfig := c.Kubeconfig
	if user != "" {
		kubeconfig = c.UserKubeconfig(user)
	}
	var out, errs buffer
	code = Run(t.Context(), append([]string{"audit", "-o=json", "--kubeconfig=" + kubeconfig}, args...), nil, &out, &errs)
	if out.String() == "" {
		return code, report, errs.String()
	}
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return code, report, errs.String()
}

func kubectl(t *testing.T, c *cluster.Cluster, stdin string, args ...string) {
	t.Helper()
	if out, errs, err := c.Kubectl(t.Context(), "", strings.NewReader(stdin), args...); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
}

// resulting are the results of a report, in a line each.
func resulting(report audit.Report) (out []string) {
	for _, r := range report.Results {
		line := strings.Join([]string{string(r.Outcome), r.Policy, r.Object.String()}, " ")
		if r.Exception != nil {
			line += " " + r.Exception.Name
		}
		out = append(out, line)
	}
	return out
}

func TestAuditOfARealCluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"auditor": {"auditors"}, "nobody": {"others"}, "tenant": {"tenants"}}})
	manifests, err := os.ReadFile("testdata/audit-cluster/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, string(manifests), "apply", "-f", "-")

	code, _, stderr := audited(t, c, "")
	if want := "the cluster knows neither the kind Policy nor Gatekeeper's; add --policies DIR, --policies FILE or --policies library:NAME"; code != exitFault || !strings.Contains(stderr, want) {
		t.Errorf("without policies: exit code %d\n%s", code, stderr)
	}
	code, report, stderr := audited(t, c, "", "--policies=library:pods.privileged")
	want := []string{"fail pods.privileged Pod lab/root", "fail pods.privileged Pod shop/root"}
	if code != exitRefused || !slices.Equal(resulting(report), want) || !report.Whole() || report.Counts["pods.privileged"].Pass != 1 {
		t.Errorf("by the library: exit code %d, %q\n%+v\n%s", code, resulting(report), report, stderr)
	}

	kubectl(t, c, "", "apply", "--server-side", "-f", "../charts/portcullis/files/crds")
	kubectl(t, c, "", "wait", "--for=condition=Established", "crd/policies.portcullis.dev", "crd/policyexceptions.portcullis.dev")
	kubectl(t, c, "", "apply", "-f", "testdata/audit-cluster/policies.yaml")
	code, report, stderr = audited(t, c, "")
	want = []string{
		"skip pods.privileged Pod lab/root lab/agent", "fail team.owned Pod shop/plain", "fail pods.privileged Pod shop/root", "fail team.owned Pod shop/root",
	}
	if code != exitRefused || !slices.Equal(resulting(report), want) || !report.Whole() {
		t.Errorf("by its own policies: exit code %d, %q\n%+v\n%s", code, resulting(report), report, stderr)
	}
	if !slices.ContainsFunc(report.Policies, func(p audit.Policy) bool { return p.ID == "pods.host-namespaces" }) {
		t.Errorf("what the chart puts in force is not among %+v", report.Policies)
	}
	if report.Namespaces["shop"] != (audit.Counts{Fail: 3, Pass: 3}) || report.Cluster == "" {
		t.Errorf("%+v of %q", report.Namespaces, report.Cluster)
	}
	code, report, _ = audited(t, c, "", "--namespace=lab", "--policy=team.owned")
	if code != exitOK || len(report.Results) > 0 || len(report.Coverage) != 1 || report.Coverage[0].Listed != 1 {
		t.Errorf("of one namespace by one policy: exit code %d, %+v", code, report)
	}

	code, report, stderr = audited(t, c, "auditor", "--policies=library:pods.privileged", "--policies=library:rbac.no_wildcards", "--fail-on=none")
	at := slices.IndexFunc(report.Coverage, func(c audit.Coverage) bool { return c.Trouble != "" })
	if code != exitPartial || at < 0 || !strings.HasPrefix(report.Coverage[at].Trouble, "You may not list ") || len(report.Results) != 2 {
		t.Errorf("by who may not list roles: exit code %d, %+v\n%s", code, report, stderr)
	}
	if code, _, stderr = audited(t, c, "nobody"); code != exitFault || !strings.Contains(stderr, "cannot be listed") {
		t.Errorf("by who may see nothing: exit code %d\n%s", code, stderr)
	}

	auditedWithin(t, c)

	kubectl(t, c, props.GatekeeperCRDs(), "apply", "-f", "-")
	kubectl(t, c, "", "wait", "--for=condition=Established", "crd/constrainttemplates.templates.gatekeeper.sh")
	kubectl(t, c, "", "apply", "-f", "testdata/audit-cluster/gatekeeper.yaml")
	kubectl(t, c, "", "wait", "--for=condition=Established", "crd/wantslabel.constraints.gatekeeper.sh")
	kubectl(t, c, "", "apply", "-f", "testdata/audit-cluster/constraint.yaml")
	code, report, stderr = audited(t, c, "", "--policy=wantslabel/team")
	if want := []string{"fail wantslabel/team Namespace lab"}; code != exitRefused || !slices.Equal(resulting(report), want) || report.Counts["wantslabel/team"].Pass != 1 {
		t.Errorf("by Gatekeeper's: exit code %d, %q, %+v\n%s", code, resulting(report), report.Counts, stderr)
	}

	// What an auditor is to have: the table of the cluster by control.
	file := filepath.Join(t.TempDir(), "audit.csv")
	var out, errs buffer
	if code := Run(t.Context(), []string{"audit", "--by=control", "--output-file=" + file, "--kubeconfig=" + c.Kubeconfig}, nil, &out, &errs); code != exitRefused || out.String() != "" {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || !slices.ContainsFunc(rows, func(row []string) bool { return row[0] == "group" && row[1] == "house/1" && row[2] == "violated" }) {
		t.Errorf("%v\n%s", err, text)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
