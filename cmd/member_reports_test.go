package cmd

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

// One replica keeps reports in a real cluster, writes nothing when it is started again, and shares them with two others, who have all of it when
// it goes, though it leads.
func TestServeKeepsReports(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true})
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		out, said, err := c.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
		if err != nil {
			t.Fatal(said)
		}
		return out
	}
	kubectl("", "apply", "--server-side", "-f", "../audit/reports/testdata", "-f", "../charts/portcullis/files/crds")
	kubectl("", "wait", "--for=condition=Established", "crd", "--all")
	kubectl("", "create", "namespace", "shop")
	const objects = 30
	var list strings.Builder
	want := []string{}
	for i := range objects {
		fmt.Fprintf(&list, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c-%d, namespace: shop}}\n", i)
		want = append(want, fmt.Sprintf("c-%d", i))
	}
	slices.Sort(want)
	kubectl(list.String(), "apply", "-f", "-")
	beside := writeFiles(t, map[string]string{"named.rego": "# METADATA\n# custom:\n#   portcullis: {severity: high, match: {resources: [configmaps], namespaces: [shop]}}\npackage named\n\n" +
		"deny contains \"nobody owns it\" if not input.request.object.metadata.labels.owner\n"})
	start := func(t *testing.T, name string) served {
		return startServe(t, beside, "--kubeconfig="+c.Kubeconfig, "--cluster-policies", "--audit", "--namespace=default", "--replica="+name)
	}
	reported := func() []string {
		out, _, _ := c.Kubectl(t.Context(), "", nil, "get", "policyreports", "-A", "-o=json")
		var list struct {
			Items []struct {
				Results []struct{ Resources []struct{ Name string } }
			}
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return nil
		}
		names := []string{}
		for _, report := range list.Items {
			for _, result := range report.Results {
				names = append(names, result.Resources[0].Name)
			}
		}
		slices.Sort(names)
		return names
	}
	once := func() bool { return slices.Equal(reported(), want) }
	of := func() string {
		return kubectl("", "get", "policyreports,clusterpolicyreports", "-A", "-o=jsonpath={range .items[*]}{.metadata.name} {end}")
	}
	sample := func(s served, name string) string {
		_, text := s.get(t, "/metrics")
		if found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text); found != nil {
			return found[1]
		}
		return ""
	}
	t.Run("alone", func(t *testing.T) {
		s := start(t, "one")
		eventually(t, "every result is reported once", once)
		eventually(t, "that is counted", func() bool { return sample(s, "portcullis_report_objects") == "2" })
	})
	versions := func() string {
		return kubectl("", "get", "policyreports,clusterpolicyreports", "-A", "-o=jsonpath={.items[*].metadata.resourceVersion}")
	}
	before := versions()
	lasting := t
	t.Run("again, and with others", func(t *testing.T) {
		s := start(t, "one")
		eventually(t, "it has looked at its reports", func() bool { return sample(s, "portcullis_report_objects") == "2" })
		if n := sample(s, `portcullis_report_writes_total{result="applied"}`); n != "0" || versions() != before {
			t.Errorf("%s reports are written anew", n)
		}
		for _, name := range []string{"two", "three"} {
			start(lasting, name)
		}
		eventually(t, "three share the reports", func() bool { return strings.Count(of(), "portcullis-") == 6 })
		eventually(t, "and have every result once", once)
	})
	eventually(t, "the reports of who is gone are gone", func() bool { return !strings.Contains(of(), "portcullis-one") })
	eventually(t, "and every result is reported once", once)
}
