package cmd

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit/sweep"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/test/cluster"
)

const ownerTemplate = `
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: ownerlabel}
spec:
  crd: {spec: {names: {kind: OwnerLabel}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package ownerlabel
      violation[{"msg": "nobody owns it"}] { not input.review.object.metadata.labels.owner }
`

const ownerConstraint = `
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: OwnerLabel
metadata: {name: configmaps}
spec: {enforcementAction: warn, match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}], namespaces: [shop]}}
`

// Two replicas audit a real cluster, each its part, by a policy of a file and by a constraint, which says what both have found.
func TestServeAudits(t *testing.T) {
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
	try := func(args ...string) string {
		out, _, _ := c.Kubectl(t.Context(), "", nil, args...)
		return out
	}
	kubectl("", "apply", "-f", "../charts/portcullis/files/crds")
	kubectl("", "create", "namespace", "shop")
	const objects = 40
	var list strings.Builder
	for i := range objects {
		fmt.Fprintf(&list, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c-%d, namespace: shop}}\n", i)
	}
	kubectl(list.String(), "apply", "-f", "-")
	beside := writeFiles(t, map[string]string{"named.rego": "# METADATA\n# custom:\n#   portcullis: {match: {resources: [configmaps], namespaces: [shop]}}\npackage named\n\n" +
		"deny contains \"the name is c-1\" if input.request.object.metadata.name == \"c-1\"\n"})
	start := func(name string) served {
		return startServe(t, beside, "--kubeconfig="+c.Kubeconfig, "--cluster-policies", "--gatekeeper", "--gatekeeper-crds", "--audit", "--namespace=default", "--replica="+name)
	}
	all := []served{start("one"), start("two")}
	eventually(t, "templates are taken", func() bool {
		_, _, err := c.Kubectl(t.Context(), "", strings.NewReader(ownerTemplate), "apply", "-f", "-")
		return err == nil
	})
	eventually(t, "constraints are taken", func() bool {
		_, _, err := c.Kubectl(t.Context(), "", strings.NewReader(ownerConstraint), "apply", "-f", "-")
		return err == nil
	})
	counted := func(sample string) (out []int) {
		for _, s := range all {
			_, text := s.get(t, "/metrics")
			found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(sample) + ` (\d+)$`).FindStringSubmatch(text)
			if found == nil {
				return nil
			}
			n, _ := strconv.Atoi(found[1])
			out = append(out, n)
		}
		return out
	}
	sum := func(sample string, want int) func() bool {
		return func() bool {
			n := counted(sample)
			return len(n) == 2 && n[0]+n[1] == want
		}
	}
	eventually(t, "every object is judged once by the policy", sum(`portcullis_audit_results{outcome="pass",policy="named"}`, objects-1))
	eventually(t, "and one refused", sum(`portcullis_audit_results{outcome="fail",policy="named"}`, 1))
	eventually(t, "and by the constraint", sum(`portcullis_audit_results{outcome="fail",policy="ownerlabel/configmaps"}`, objects))
	if n := counted("portcullis_audit_unreconciled"); n[0]+n[1] > 0 {
		t.Errorf("%v kinds are not known", n)
	}
	if n := counted(`portcullis_audit_results{outcome="fail",policy="ownerlabel/configmaps"}`); n[0] == 0 || n[1] == 0 {
		t.Errorf("the replicas share the objects as %v", n)
	}
	total := func(want string) func() bool {
		return func() bool {
			return try("get", "ownerlabel", "configmaps", "-o=jsonpath={.status.totalViolations}") == want
		}
	}
	eventually(t, "the constraint says so", total(strconv.Itoa(objects)))
	listed := kubectl("", "get", "ownerlabel", "configmaps", "-o=jsonpath={.status.violations[*].name} {.status.violations[0]}")
	if strings.Count(listed, "c-") != 21 || !strings.Contains(listed, `"enforcementAction":"warn","group":"","kind":"ConfigMap","message":"nobody owns it","name":"c-0","namespace":"shop"`) {
		t.Errorf("it lists %s", listed)
	}
	kubectl("", "label", "configmap", "-n=shop", "c-7", "owner=jane")
	eventually(t, "what was put right is not told of any more", total(strconv.Itoa(objects-1)))
	kubectl("", "delete", "ownerlabel", "configmaps")
	eventually(t, "nor is what nobody asks any more", func() bool {
		_, text := all[0].get(t, "/metrics")
		return !strings.Contains(text, `policy="ownerlabel/configmaps"`)
	})
}

func TestWhichResourcesAMatchConcerns(t *testing.T) {
	pods, events := sweep.Resource{Version: "v1", Name: "pods", Kind: "Pod"}, sweep.Resource{Version: "v1", Name: "events", Kind: "Event"}
	deployments := sweep.Resource{Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment"}
	for name, c := range map[string]struct {
		match                     policies.Match
		pods, deployments, events bool
	}{
		"anything":           {policies.Match{}, true, true, false},
		"a resource":         {policies.Match{Resources: []policies.Resource{{Resource: "pods"}}}, true, false, false},
		"a subresource":      {policies.Match{Resources: []policies.Resource{{Resource: "pods", Subresource: "exec"}}}, false, false, false},
		"a group":            {policies.Match{Resources: []policies.Resource{{Group: "apps"}}}, false, true, false},
		"all resources":      {policies.Match{Resources: []policies.Resource{{Any: true}}}, true, true, false},
		"what is named":      {policies.Match{Resources: []policies.Resource{{Any: true}, {Resource: "events"}}}, true, true, true},
		"a kind":             {policies.Match{Kinds: []policies.GroupKind{{Group: "", Kind: "Pod"}}}, true, false, false},
		"a kind anywhere":    {policies.Match{Kinds: []policies.GroupKind{{Group: "*", Kind: "Deployment"}}}, false, true, false},
		"all kinds":          {policies.Match{Kinds: []policies.GroupKind{{Group: "*", Kind: "*"}}}, true, true, false},
		"both, which differ": {policies.Match{Kinds: []policies.GroupKind{{Group: "", Kind: "Pod"}}, Resources: []policies.Resource{{Group: "apps"}}}, false, false, false},
	} {
		concerned := concerns(c.match)
		if concerned(pods) != c.pods || concerned(deployments) != c.deployments || concerned(events) != c.events {
			t.Errorf("%s: %v %v %v", name, concerned(pods), concerned(deployments), concerned(events))
		}
	}
}
