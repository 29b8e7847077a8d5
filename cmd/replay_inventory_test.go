package cmd

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
)

// oneOfAKind refuses a ConfigMap of a name that there is in another namespace.
const oneOfAKind = `# METADATA
# custom:
#   portcullis:
#     match: {resources: [configmaps]}
#     data: [configmaps]
package twins

deny contains msg if {
	some namespace, _ in data.kubernetes.configmaps
	namespace != input.request.namespace
	data.kubernetes.configmaps[namespace][input.request.name]
	msg := sprintf("%s is in %s, too", [input.request.name, namespace])
}
`

// theirTwins is the same for Gatekeeper's.
const theirTwins = `apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: twins}
spec:
  crd: {spec: {names: {kind: Twins}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package twins

      violation[{"msg": msg}] {
        data.inventory.namespace[ns]["v1"].ConfigMap[input.review.name]
        ns != input.review.namespace
        msg := sprintf("theirs: %s is in %s, too", [input.review.name, ns])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Twins
metadata: {name: none}
spec: {match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}}
---
apiVersion: syncset.gatekeeper.sh/v1alpha1
kind: SyncSet
metadata: {name: all}
spec: {gvks: [{group: "", version: v1, kind: ConfigMap}]}
`

// record is of a ConfigMap that was created.
func record(name string) string {
	return `{"decision_id":"` + name + `","timestamp":"2026-01-02T03:04:05Z","path":"validate","input":{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"` + name +
		`","operation":"CREATE","kind":{"group":"","version":"v1","kind":"ConfigMap"},"resource":{"group":"","version":"v1","resource":"configmaps"},"name":"` + name +
		`","namespace":"shop","userInfo":{"username":"jane"},"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"}},"oldObject":null}},"result":{"verdict":"allow"}}` + "\n"
}

// What policies read of a real cluster they see there, and what may not be listed there nobody is told to be fine.
func TestReplaySeesTheObjectsOfACluster(t *testing.T) {
	t.Parallel()
	c := cluster.StartT(t, cluster.Options{NoControllerManager: true, Users: map[string][]string{"namespacer": nil}})
	for _, namespace := range []string{"shop", "bank"} {
		kubectl(t, c, "", "create", "namespace", namespace)
	}
	kubectl(t, c, "", "create", "configmap", "both", "--namespace=bank")
	kubectl(t, c, "", "create", "clusterrole", "namespacer", "--verb=list,get", "--resource=namespaces")
	kubectl(t, c, "", "create", "clusterrolebinding", "namespacer", "--clusterrole=namespacer", "--user=namespacer")
	other := c.UserKubeconfig("namespacer")
	dir := writeFiles(t, map[string]string{"policies.rego": oneOfAKind, "theirs.yaml": theirTwins, "log.jsonl": record("both") + record("one")})
	replayed := func(kubeconfig, policies string) (int, string) {
		var out, errs props.Buffer
		args := []string{"replay", dir + "/log.jsonl", "--policies=" + dir + "/" + policies}
		if kubeconfig != "" {
			args = append(args, "--kubeconfig="+kubeconfig)
		}
		code := Run(t.Context(), args, nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	for name, want := range map[string]struct {
		kubeconfig, policies string
		code                 int
		says                 []string
	}{
		"seen":             {c.Kubeconfig, "policies.rego", exitRefused, []string{"both is in bank, too", "1 newly denied", "1 unchanged", "twins look at objects of the cluster: they see those of the cluster, whatever"}},
		"seen by theirs":   {c.Kubeconfig, "theirs.yaml", exitRefused, []string{"theirs: both is in bank, too", "1 newly denied", "1 unchanged"}},
		"no cluster":       {"", "policies.rego", exitPartial, []string{"0 newly denied", "of 2 it could not be said", "it reads objects of the cluster, and none are known here"}},
		"no right to list": {other, "policies.rego", exitPartial, []string{"0 newly denied", "of 2 it could not be said", "nothing is known of configmaps"}},
		"no right, theirs": {other, "theirs.yaml", exitPartial, []string{"0 newly denied", "of 2 it could not be said"}},
	} {
		code, said := replayed(want.kubeconfig, want.policies)
		for _, text := range want.says {
			if code != want.code || !strings.Contains(said, text) {
				t.Errorf("%s: exit code %d, want %d and %q in\n%s", name, code, want.code, text, said)
			}
		}
	}
}
