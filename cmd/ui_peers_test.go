package cmd

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/certs"
)

// Two servers share the objects of a cluster, and each one's pages show what both have found and decided. A third that says no address is missing.
func TestPagesShowWhatAllReplicasKnow(t *testing.T) {
	t.Parallel()
	w := newUIWorld(t)
	w.kubectl(t, "", "apply", "-f", "../charts/portcullis/files/crds")
	const objects = 40
	var manifests strings.Builder
	for i := range objects {
		fmt.Fprintf(&manifests, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: in-%d, namespace: shop}\n---\n", i)
	}
	w.kubectl(t, manifests.String(), "apply", "-f", "-")
	pair := t.TempDir()
	if _, err := certs.NewSelfSigned(certs.SelfSignedOptions{IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Dir: pair}); err != nil {
		t.Fatal(err)
	}
	policies := uiPolicies(t)
	start := func(name, listen string, more ...string) served {
		return startServe(t, policies, append([]string{
			"--kubeconfig=" + w.Kubeconfig, "--audit", "--audit-reports=none", "--ui", "--ui-listen=" + listen, "--namespace=default", "--replica=" + name, "--cluster-policies",
			"--cert-dir=" + pair,
		}, more...)...)
	}
	one, two := address(t), address(t)
	server := start("one", one, "--ui-advertise="+one)
	start("two", two, "--ui-advertise="+two)
	all := fmt.Sprintf("%d results", objects+2)
	for _, listen := range []string{one, two} {
		eventually(t, "all is shown", func() bool {
			status, body := w.get(t, listen, "auditor", "/ui/violations")
			return status == http.StatusOK && strings.Contains(body, all) && !strings.Contains(body, "missing here")
		})
	}
	eventually(t, "each has found a part", func() bool {
		var own []int
		for _, listen := range []string{one, two} {
			_, body := w.get(t, listen, "auditor", "/ui/part/findings")
			own = append(own, strings.Count(body, `"outcome":"fail"`))
		}
		return own[0] > 0 && own[1] > 0 && own[0]+own[1] == objects+2
	})
	if status, body := w.get(t, two, "developer", "/ui/violations.csv"); status != http.StatusOK || strings.Count(body, "in-") < objects || strings.Contains(body, "in-bank") {
		t.Errorf("the developer's file: %d\n%s", status, body)
	}
	w.ask(t, server)
	eventually(t, "the decision of the other is shown", func() bool {
		status, body := w.get(t, two, "auditor", "/ui/decisions/d-1")
		return status == http.StatusOK && strings.Contains(body, "<dt>Decided by</dt><dd>one</dd>") && strings.Contains(body, `deny at <a href="/ui/policies/named#L7">`)
	})
	if status, body := w.get(t, two, "stranger", "/ui/decisions/d-1"); status != http.StatusForbidden || strings.Contains(body, "jane") {
		t.Errorf("a stranger sees the decision: %d\n%s", status, body)
	}

	start("three", address(t))
	eventually(t, "the third is missed", func() bool {
		_, body := w.get(t, one, "auditor", "/ui/violations")
		return strings.Contains(body, "What three found is missing here, because it could not be asked.") && !strings.Contains(body, all)
	})
}
