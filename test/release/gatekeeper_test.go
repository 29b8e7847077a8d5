package release_test

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/cluster/node"
	"github.com/portcullis-dev/portcullis/test/release"
)

const (
	needsTeam = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needsteam}
spec:
  crd: {spec: {names: {kind: NeedsTeam}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needsteam

      violation[{"msg": "a ConfigMap needs the label team"}] { not input.review.object.metadata.labels.team }
`
	allNeedTeam = `
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NeedsTeam
metadata: {name: all}
spec: {match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}}
`
)

// TestGatekeepersPoliciesWithTheChart is a release in a cluster that has never had a Gatekeeper, with the rights that the chart gives.
func TestGatekeepersPoliciesWithTheChart(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{ExtraArgs: []string{node.AggregatorRouting}})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	binary := server(t)
	node.StartT(t, node.Options{Config: config, Programs: map[string]node.Program{"ghcr.io/portcullis-dev/portcullis:test": {
		Path: binary,
		Arguments: func(i node.Instance) []string {
			if i.Container != "portcullis" {
				return nil
			}
			return []string{"--listen=" + i.Address(8443), "--health-listen=" + i.Address(8081), "--drain=2s"}
		},
	}}})
	r := release.Release{Root: "../..", Name: "portcullis", Namespace: "guard"}
	helm := func(args ...string) {
		t.Helper()
		if _, err := r.Helm(t.Context(), c.Kubeconfig, append(args, "--namespace="+r.Namespace)...); err != nil {
			t.Fatal(err)
		}
	}
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		out, problems, err := c.Kubectl(t.Context(), "", strings.NewReader(stdin), args...)
		if err != nil {
			t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, problems)
		}
		return out
	}
	helm("install", r.Name, r.Chart(), "--create-namespace", "--set=image.tag=test,gatekeeper.crds=true", "--wait", "--timeout=120s")
	until(t, "templates are a kind", func() bool {
		_, _, err := c.Kubectl(t.Context(), "", nil, "wait", "--for=condition=Established", "crd/constrainttemplates.templates.gatekeeper.sh", "--timeout=1s")
		return err == nil
	})
	kubectl(needsTeam, "apply", "-f", "-")
	kubectl("", "wait", "--for=jsonpath={.status.created}=true", "constrainttemplate/needsteam", "--timeout=60s")
	kubectl(allNeedTeam, "apply", "-f", "-")
	kubectl("", "wait", "--for=condition=Ready", "needsteam/all", "--timeout=60s")
	until(t, "it is refused", func() bool {
		_, against, err := c.Kubectl(t.Context(), "", nil, "create", "configmap", "x", "--dry-run=server")
		return err != nil && strings.Contains(against, "needsteam/all: a ConfigMap needs the label team")
	})
	// One entry a replica, and none of those that are gone.
	entries := func() int {
		return len(strings.Fields(kubectl("", "get", "needsteam", "all", "-o", `jsonpath={.status.byPod[?(@.enforced==true)].id}`)))
	}
	if got := entries(); got != 3 {
		t.Errorf("there are %d entries for 3 replicas", got)
	}
	kubectl("", "scale", "deployment/portcullis", "--replicas=2", "--namespace="+r.Namespace)
	until(t, "the entry of the replica that is gone has gone, too", func() bool { return entries() == 2 })

	helm("uninstall", r.Name, "--wait", "--timeout=60s")
	// What is written in them outlives the release.
	kubectl("", "get", "constrainttemplate/needsteam", "needsteam/all")
	kubectl("", "create", "configmap", "x", "--dry-run=server")
}
