package export_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
	"github.com/portcullis-dev/portcullis/review"
)

// sample is a report with one of everything there is.
func sample() *audit.Report {
	at := time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC)
	pod := func(namespace, name string) audit.Object {
		return audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: namespace, Name: name, UID: "8c7d"}
	}
	deployment := audit.Object{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments", Namespace: "shop", Name: "web", File: "apps/shop.yaml", Row: 12}
	r := &audit.Report{
		Cluster: "prod-eu", At: at, Revision: "4f2c9a",
		Policies: []audit.Policy{
			{
				ID: "pods.privileged", Title: "Containers are not privileged", Severity: "critical", Effect: review.EffectDeny,
				Description: "A privileged container is root on the node.", Controls: []string{"pss/baseline", "cis-1.9/5.2.2", "nsa/privileged-containers"},
			},
			{
				ID: "pods.host_path", Title: "Volumes are not of the node", Severity: "high", Effect: review.EffectDeny,
				Controls: []string{"pss/baseline", "cis-1.9/5.2.12"},
			},
			{ID: "images.pinned", Title: "Images are named by digest", Severity: "medium", Effect: review.EffectWarn, Controls: []string{"nsa/secure-images"}},
			{ID: "roles.wildcards", Title: "Roles name what they allow", Severity: "high", Effect: review.EffectAudit, Controls: []string{"cis-1.9/5.1.3"}},
			{ID: "team.owner", Title: "What runs has an owner", Severity: "low", Effect: review.EffectDeny},
			{
				ID: "pods.no_exec", Title: "Nobody opens a shell", Effect: review.EffectDeny, Controls: []string{"cis-1.9/5.1.9"},
				Unaudited: "It asks who connects, which is not known of what is there.",
			},
		},
		Results: []audit.Result{
			{
				Policy: "roles.wildcards", Outcome: audit.Fail, Severity: "high", Message: "The role allows every verb; name those it needs.", Field: "rules[0].verbs",
				Object: audit.Object{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole", Resource: "clusterroles", Name: "ops"}, Since: at.AddDate(0, -2, 0),
			},
			{Policy: "images.pinned", Outcome: audit.Warn, Severity: "medium", Message: "Image nginx:1.27 is not named by digest.", Field: "spec.containers[0].image", Object: pod("shop", "cart")},
			{
				Policy: "pods.privileged", Outcome: audit.Fail, Severity: "critical", Message: "Container app is privileged; drop securityContext.privileged.",
				Field: "spec.template.spec.containers[0].securityContext.privileged", Object: deployment, Since: at.AddDate(0, 0, -3),
			},
			{Policy: "team.owner", Outcome: audit.Fault, Severity: "low", Message: "The policy took longer than 500ms.", Object: deployment},
			{
				Policy: "pods.host_path", Outcome: audit.Skip, Severity: "high", Message: "Volume data is a path of the node.", Field: "spec.volumes[0].hostPath", Object: pod("storage", "agent-0"),
				Exception: &review.Exception{Name: "storage/agent", Reason: "the disk agent goes in spring", Expires: at.AddDate(0, 3, 0)},
			},
		},
		Counts: map[string]audit.Counts{
			"pods.privileged": {Fail: 1, Pass: 41}, "pods.host_path": {Skip: 1, Pass: 41}, "images.pinned": {Warn: 1, Pass: 40},
			"roles.wildcards": {Fail: 1, Pass: 17}, "team.owner": {Fault: 1, Pass: 12},
		},
		Namespaces: map[string]audit.Counts{
			"": {Fail: 1, Pass: 17}, "shop": {Fail: 1, Warn: 1, Fault: 1, Pass: 80}, "storage": {Skip: 1, Pass: 30}, "web": {Pass: 24},
		},
		Coverage: []audit.Coverage{
			{Resource: "clusterroles.rbac.authorization.k8s.io", Listed: 18, Evaluated: 18},
			{Resource: "deployments.apps", Listed: 13, Evaluated: 12, Errored: 1},
			{Resource: "pods", Listed: 47, Evaluated: 42, Skipped: map[string]int{"namespace is exempt": 5}},
			{Resource: "secrets", Trouble: "Listing them is forbidden: grant list on secrets."},
		},
	}
	slices.SortFunc(r.Policies, func(a, b audit.Policy) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Results, audit.Compare)
	return r
}

func written(t *testing.T, r *audit.Report, format export.Format, o export.Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := export.Write(&out, r, format, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var write = flag.Bool("write", os.Getenv("UPDATE") != "", "write what is compared with")

// What is written of the sample is what testdata holds; UPDATE=1 writes it there, for a person to read.
func TestFormatsAreAsTheyWere(t *testing.T) {
	for _, c := range []struct {
		name string
		export.Format
		export.Options
	}{
		{"policy.txt", export.Table, export.Options{}},
		{"namespace-60.txt", export.Table, export.Options{By: export.ByNamespace, Width: 60}},
		{"control.txt", export.Table, export.Options{By: export.ByControl, Width: 100}},
		{"policy.json", export.JSON, export.Options{}},
		{"policy.html", export.HTML, export.Options{}},
		{"control.csv", export.CSV, export.Options{By: export.ByControl}},
		{"policy.csv", export.CSV, export.Options{}},
		{"policy.sarif", export.SARIF, export.Options{}},
		{"severity.xml", export.JUnit, export.Options{By: export.BySeverity}},
		{"control.md", export.Markdown, export.Options{By: export.ByControl}},
		{"objects.yaml", export.Objects, export.Options{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, file := written(t, sample(), c.Format, c.Options), filepath.Join("testdata", c.name)
			if *write {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is another; UPDATE=1 writes it:\n%s", file, got)
			}
		})
	}
}

func TestEmptyReportsAreWritten(t *testing.T) {
	for _, format := range export.Formats() {
		for _, by := range export.Groupings() {
			if written(t, &audit.Report{}, format, export.Options{By: by}) == "" {
				t.Errorf("%s by %s is nothing at all", format, by)
			}
		}
	}
}

func TestWhatThereIsNotIsRefused(t *testing.T) {
	if err := export.Write(&bytes.Buffer{}, sample(), "pdf", export.Options{}); err == nil || err.Error() != `a report is not written as "pdf"` {
		t.Error(err)
	}
	if err := export.Write(&bytes.Buffer{}, sample(), export.CSV, export.Options{By: "owner"}); err == nil || err.Error() != `a report is not grouped by "owner"` {
		t.Error(err)
	}
}

// Results that are not listed are told of, in words.
func TestWhatIsNotListedIsSaid(t *testing.T) {
	for omitted, want := range map[int]string{
		1: "1 more result is counted and not listed, because there are too many.", 1200: "1200 more results are counted and not listed, because there are too many.",
	} {
		var out bytes.Buffer
		if err := export.Write(&out, &audit.Report{Omitted: omitted}, export.Markdown, export.Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
