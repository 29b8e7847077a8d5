package drills

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/policies/sentinel"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// judging is a Policy named poison.
func judging(match, rego string) string {
	return fmt.Sprintf("apiVersion: portcullis.dev/v1alpha1\nkind: Policy\nmetadata: {name: poison}\nspec:\n  match: {%s}\n  rego: |\n    package poison\n\n    %s\n",
		match, strings.ReplaceAll(rego, "\n", "\n    "))
}

// refusals are ways to refuse too much, wherever the policy is asked.
func refusals() map[string]string {
	return map[string]string{
		"whatever it is": `deny contains "no"`,
		"by kind":        `deny contains "no" if input.request.kind.kind in {"Node", "CertificateSigningRequest", "Event", "Pod", "Deployment", "Lease"}`,
		"by namespace":   `deny contains "only in work" if object.get(input.request, "namespace", "") != "work"`,
		"by user":        `deny contains "people only" if startswith(input.request.userInfo.username, "system:")`,
		"by group":       `deny contains "not of the staff" if not "staff" in input.request.userInfo.groups`,
		"by label":       `deny contains "no owner" if not object.get(input.request.object, ["metadata", "labels", "owner"], false)`,
		"by image": "deny contains \"not our image\" if not ours\n\nours if {\n  part := lower(\"SPEC\")\n" +
			"  every c in input.request.object[part].containers { startswith(c.image, \"registry.corp/\") }\n}",
		"by a fault": "deny contains \"no\" if x == 1\n\nx := 1 if input.request\n\nx := 2 if input.request",
	}
}

// poisoned are matches by which every one of the refusals keeps a cluster from coming up, each with what it would have refused first.
func poisoned() map[string]string {
	const (
		approved = "(update certificatesigningrequests.certificates.k8s.io/approval csr-sentinel by system:serviceaccount:kube-system:certificate-controller)"
		asks     = "(create certificatesigningrequests.certificates.k8s.io csr-sentinel by system:bootstrap:abcdef)"
		changed  = "(update nodes sentinel-node by system:serviceaccount:kube-system:node-controller)"
		event    = "(create events default/sentinel-node.17a1 by system:node:sentinel-node)"
		joins    = "(create nodes sentinel-node by system:node:sentinel-node)"
		reports  = "(update nodes/status sentinel-node by system:node:sentinel-node)"
	)
	return map[string]string{
		"resources: ['*'], operations: ['*']":                                             asks,
		"resources: ['*/*'], operations: [UPDATE]":                                        approved,
		"resources: [nodes], operations: [CREATE]":                                        joins,
		"resources: [nodes], operations: [UPDATE, DELETE]":                                changed,
		"resources: [nodes/status]":                                                       reports,
		"resources: [certificatesigningrequests.certificates.k8s.io]":                     asks,
		"resources: [certificatesigningrequests.certificates.k8s.io/approval]":            approved,
		"resources: [events, events.events.k8s.io], excludeNamespaces: [work]":            event,
		"resources: [pods, nodes, deployments.apps], excludeNamespaces: [work, 'team-*']": changed,
	}
}

// spares are matches that poison only where nothing is exempt: a release is never asked about what is in its own namespace and in those of
// the system. Each has what it would have refused first.
func spares() map[string]string {
	const dns = "(create pods kube-system/coredns-5d78c9869d-abcde by system:serviceaccount:kube-system:replicaset-controller)"
	return map[string]string{
		"resources: [pods]":                            dns,
		"resources: [pods], namespaces: ['kube-*']":    dns,
		"resources: [pods], namespaces: [guard]":       "(create pods guard/portcullis-7c9d8f6b5-x2x4z by system:serviceaccount:kube-system:replicaset-controller)",
		"resources: [deployments.apps]":                "(update deployments.apps guard/portcullis by system:admin)",
		"resources: [leases.coordination.k8s.io]":      "(update leases.coordination.k8s.io kube-system/kube-controller-manager by system:kube-controller-manager)",
		"resources: [leases], namespaces: ['*-lease']": "(update leases.coordination.k8s.io kube-node-lease/sentinel-node by system:node:sentinel-node)",
	}
}

// TestPoison (F3): policies by which the cluster would not come up again are refused by the gate, each with the request it would have
// refused. Similar ones that hit nothing of the kind pass: they are the control.
func TestPoison(t *testing.T) {
	w := start(t)
	offered, refused, passed := 0, 0, 0
	for match, want := range poisoned() {
		for how, rego := range refusals() {
			offered++
			err := w.offer(t, judging(match, rego))
			if err == nil || !strings.Contains(err.Error(), "for it would refuse what the cluster lives by") || !strings.Contains(err.Error(), want) {
				t.Errorf("{%s}, %s: %v; want it refused with %s", match, how, err, want)
			} else {
				refused++
			}
		}
	}
	harmless := slices.Collect(maps.Keys(spares()))
	for _, match := range append(harmless, "resources: [pods], namespaces: [work]", "resources: [workloads], excludeNamespaces: [work]",
		"resources: [configmaps, secrets]", "resources: ['*'], namespaces: ['team-*']", "resources: [nodes/proxy], operations: [CONNECT]",
		"resources: [namespaces]", "resources: [deployments.apps/scale]") {
		for how, rego := range refusals() {
			if err := w.offer(t, judging(match, rego)); err != nil {
				t.Errorf("control: {%s}, %s: %v", match, how, err)
			} else {
				passed++
			}
		}
	}
	figure(t, "F3: %d of %d poisoned policies are refused with what they would have refused; %d that are like them and harmless pass", refused, offered, passed)

	t.Run("where nothing is exempt", testNothingExempt)
	t.Run("what passes spares what the cluster lives by", func(t *testing.T) { w.spared(t) })
	t.Run("past the gate", func(t *testing.T) { w.pastTheGate(t) })
}

// offer asks the API server to accept a Policy, as a dry run.
func (w *world) offer(t *testing.T, text string) error {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	_, err := w.dynamic.Resource(policyResource()).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// testNothingExempt asks the gate's judge, as a server that is called by a registration of somebody else's would have it.
func testNothingExempt(t *testing.T) {
	judge, err := sentinel.New(sentinel.Options{Namespace: namespace, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := native.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	for match, want := range spares() {
		for how, rego := range refusals() {
			specs, faults := reader.Read([]native.File{{Name: "poison.yaml", Text: []byte(judging(match, rego))}})
			if len(faults) > 0 || len(specs) != 1 {
				t.Fatal(faults)
			}
			policy, err := policies.CompilePolicy(t.Context(), specs[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := judge.Check(t.Context(), policy); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("{%s}, %s: %v; want it refused with %s", match, how, err, want)
			}
		}
	}
}

// spared has a policy in force that refuses all Pods, Deployments and Leases, and sees that none is refused by which the cluster lives.
func (w *world) spared(t *testing.T) {
	w.put(t, "poison", judging("resources: [pods, deployments.apps, leases.coordination.k8s.io, serviceaccounts], operations: ['*']", `deny contains "no"`))
	until(t, "control: a Pod elsewhere is refused", func() bool {
		return refusedBy(w.makePod(t.Context(), metav1.NamespaceDefault, "x", "", true), "poison")
	})
	if err := w.makePod(t.Context(), metav1.NamespaceSystem, "x", "", true); err != nil {
		t.Error(err)
	}
	w.restart(t) // the Deployment is changed, and its Pods are made
}

// pastTheGate has a poisoned policy in the cluster that no gate was asked about: it is not put in force, and its status tells why.
func (w *world) pastTheGate(t *testing.T) {
	poison := judging("resources: ['*'], operations: ['*']", `deny contains "no"`)
	w.portcullis(t, "unlock", "--for=1h", "--reason=a drill")
	until(t, "control: without the gate it is accepted", func() bool { return w.apply(t.Context(), poison) == nil })
	t.Cleanup(func() {
		_ = w.dynamic.Resource(policyResource()).Delete(context.WithoutCancel(t.Context()), "poison", metav1.DeleteOptions{})
	})
	w.portcullis(t, "lock")
	until(t, "its status tells why it is not put in force", func() bool {
		p := w.policy(t.Context(), "poison")
		return p != nil && meta.IsStatusConditionFalse(p.Status.Conditions, v1alpha1.PolicyReady) &&
			strings.Contains(p.Status.Message, "for it would refuse what the cluster lives by")
	})
	until(t, "team is enforced", func() bool { return refusedBy(w.configMap(t.Context(), false), "team") })
	if err := w.configMap(t.Context(), true); err != nil {
		t.Errorf("the poisoned policy refuses: %v", err)
	}
}
