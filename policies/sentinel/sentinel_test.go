package sentinel

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/library"
	"github.com/portcullis-dev/portcullis/policies/native"
	"github.com/portcullis-dev/portcullis/review"
)

// exempt is what a release in a cluster exempts.
func exempt() []string {
	return []string{"portcullis", "kube-system", "kube-node-lease", "kube-public"}
}

func sentinel(t testing.TB, o Options) *Sentinel {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func embedded(t testing.TB) []native.File {
	t.Helper()
	var files []native.File
	err := fs.WalkDir(library.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(library.FS(), name)
		files = append(files, native.File{Name: "library/" + name, Text: text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func compiled(t testing.TB, name, text string) *policies.Policy {
	t.Helper()
	reader, err := native.NewReader(embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	specs, faults := reader.Read([]native.File{{Name: name, Text: []byte(text), Format: native.RegoText}})
	if len(faults) > 0 || len(specs) != 1 {
		t.Fatalf("%d policies, %v\n%s", len(specs), faults, text)
	}
	p, err := policies.CompilePolicy(t.Context(), specs[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// policy is one with METADATA.
func policy(pkg, meta, rules string) string {
	return fmt.Sprintf("# METADATA\n# custom:\n#   portcullis: {%s}\npackage %s\n\n%s\n", meta, pkg, rules)
}

// A policy written for Gatekeeper is held to the same, however it says what it is about.
func TestPolicyThatNamesKinds(t *testing.T) {
	module, err := ast.ParseModuleWithOpts("nodes.yaml", "package template\nviolation[{\"msg\": \"no nodes here\"}] { true }", ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err != nil {
		t.Fatal(err)
	}
	spec := policies.Spec{
		ID: "NoNodes/all", File: "nodes.yaml", Convention: policies.Gatekeeper, Package: module.Package.Path, Modules: []*ast.Module{module},
		Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}}, Enforcement: policies.EnforceDeny, OnError: policies.OnErrorDeny,
		Match: policies.Match{Kinds: []policies.GroupKind{{Kind: "Node"}}, Operations: []string{"create"}},
	}
	for kind, want := range map[string]string{
		"Node": "nodes.yaml: policy NoNodes/all is not put in force, for it would refuse what the cluster lives by; narrow its match: " +
			"a node joins (create nodes sentinel-node by system:node:sentinel-node): no nodes here",
		"Ingress": "<nil>",
	} {
		spec.Match.Kinds[0].Kind = kind
		policy, err := policies.CompilePolicy(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(sentinel(t, Options{Exempt: exempt()}).Check(t.Context(), policy)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", kind, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	for _, row := range []struct {
		what, text, want string
		options          Options
	}{
		{
			"what a node needs", policy("nodes", "match: {resources: [nodes], operations: [CREATE]}", `deny contains "no nodes here"`),
			"policy.rego: policy nodes is not put in force, for it would refuse what the cluster lives by; narrow its match: " +
				"a node joins (create nodes sentinel-node by system:node:sentinel-node): no nodes here",
			Options{},
		},
		{
			"its own Deployment", policy("ours", "match: {resources: [deployments.apps], namespaces: [security]}", `deny contains "frozen"`),
			"policy.rego: policy ours is not put in force, for it would refuse what the cluster lives by; narrow its match: " +
				"the Deployment of Portcullis is changed (update deployments.apps security/gate by system:admin): frozen",
			Options{Namespace: "security", Name: "gate"},
		},
		{
			"a guard", policy("closed", "match: {stage: guard, groups: [system:nodes]}", `deny contains "closed"`),
			"policy.rego: policy closed is not put in force, for it would refuse what the cluster lives by, 5 kinds of requests; narrow its match: " +
				"a kubelet renews its Lease (update leases.coordination.k8s.io kube-node-lease/sentinel-node by system:node:sentinel-node): closed",
			Options{},
		},
		{
			"one that fails", policy("broken", "match: {resources: [nodes], operations: [CREATE]}", "deny contains \"x\" if {\n\tx\n}\n\nx := 1 if input.request\n\nx := 2 if input.request\n"),
			"policy.rego: policy broken is not put in force, for it would refuse what the cluster lives by; narrow its match: " +
				"a node joins (create nodes sentinel-node by system:node:sentinel-node): the policy could not be evaluated: eval_conflict_error at policy.rego:12",
			Options{},
		},
		{"an owner of every ClusterRole", policy("rbac", "match: {resources: [clusterroles.rbac.authorization.k8s.io]}", `deny contains "no owner" if not input.request.object.metadata.labels.owner`), "", Options{Name: "gate"}},
		{"one that only warns", policy("warns", "enforcement: warn, match: {resources: ['*']}", `deny contains "no"`), "", Options{}},
		{"one that is recorded", policy("audits", "enforcement: audit, match: {resources: ['*']}", `deny contains "no"`), "", Options{}},
		{"one that fails and allows", policy("lenient", "onError: allow, match: {resources: [nodes], operations: [CREATE]}", "deny contains \"x\" if {\n\tx\n}\n\nx := 1 if input.request\n\nx := 2 if input.request\n"), "", Options{}},
		{
			"one that reads the cluster", policy("reads", "match: {resources: ['*']}, data: [services, nodes]", `deny contains "no" if {
	input.request.kind.kind == "Ingress"
	data.kubernetes.services.a.b
	data.kubernetes.nodes.c
}`), "", Options{Exempt: exempt()},
		},
		{
			"one that reads the cluster, and refuses a node", policy("reads", "match: {resources: ['*']}, data: [services]", `deny contains "no node" if {
	input.request.kind.kind == "Node"
	input.request.operation == "CREATE"
	not data.kubernetes.services.a.b
}`),
			"policy.rego: policy reads is not put in force, for it would refuse what the cluster lives by; narrow its match: " +
				"a node joins (create nodes sentinel-node by system:node:sentinel-node): no node",
			Options{Exempt: exempt()},
		},
		{"Pods of others", policy("prod", "match: {resources: [pods], namespaces: ['prod-*']}", `deny contains "no"`), "", Options{}},
		{"Pods outside the exempt namespaces", policy("pods", "match: {resources: [pods]}", `deny contains "no"`), "", Options{Exempt: exempt()}},
	} {
		got := ""
		if err := sentinel(t, row.options).Check(t.Context(), compiled(t, "policy.rego", row.text)); err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
	}
}

// poisoned are policies by which a cluster does not come up again, by name.
func poisoned() map[string]string {
	out := map[string]string{}
	bodies := map[string]string{
		"denies":    `deny contains "no"`,
		"misjudges": `deny contains "no owner" if not input.request.object.metadata.labels.owner`,
		"fails":     "deny contains \"no\" if {\n\tx == 1\n}\n\nx := 1 if input\n\nx := 2 if input\n",
	}
	for body, rules := range bodies {
		for name, match := range map[string]string{
			"everything":           "resources: ['*']",
			"everything-made":      "resources: ['*'], operations: [CREATE]",
			"everything-changed":   "resources: ['*'], operations: [UPDATE]",
			"pods":                 "resources: [pods]",
			"workloads":            "resources: [workloads]",
			"deployments":          "resources: [deployments.apps]",
			"core":                 "resources: [pods, nodes, events]",
			"kube-system":          "resources: [pods], namespaces: [kube-system]",
			"system":               "resources: [pods], namespaces: ['kube-*', '*-system']",
			"nodes":                "resources: [nodes]",
			"node-status":          "resources: [nodes/status]",
			"leases":               "resources: [leases.coordination.k8s.io]",
			"certificates":         "resources: [certificatesigningrequests.certificates.k8s.io]",
			"certificate-approval": "resources: [certificatesigningrequests.certificates.k8s.io/approval]",
			"events":               "resources: [events, events.events.k8s.io]",
			"roles":                "resources: [clusterroles.rbac.authorization.k8s.io]",
			"role-bindings":        "resources: [clusterrolebindings.rbac.authorization.k8s.io]",
			"kinds":                "resources: [customresourcedefinitions.apiextensions.k8s.io]",
			"policies":             "resources: [policies.portcullis.dev]",
			"exceptions":           "resources: [policyexceptions.portcullis.dev]",
		} {
			out[body+"-"+name] = policy("poison", "match: {"+match+"}", rules)
		}
	}
	for name, match := range map[string]string{
		"all":                "",
		"nodes":              ", groups: [system:nodes]",
		"a-node":             ", users: ['system:node:*']",
		"authenticated":      ", groups: [system:authenticated]",
		"controller-manager": ", users: [system:kube-controller-manager]",
		"scheduler":          ", users: [system:kube-scheduler]",
		"service-accounts":   ", groups: [system:serviceaccounts]",
		"ours":               ", users: ['system:serviceaccount:portcullis:*']",
		"leases":             ", resources: [leases.coordination.k8s.io]",
		"pods":               ", resources: [pods], operations: [watch]",
	} {
		out["guard-"+name] = policy("poison", "match: {stage: guard"+match+"}", `deny contains "no"`)
	}
	return out
}

func TestPoisonedPoliciesAreRefused(t *testing.T) {
	table := poisoned()
	if len(table) < 50 {
		t.Fatalf("there are %d", len(table))
	}
	plain, exempting := sentinel(t, Options{}), sentinel(t, Options{Exempt: exempt()})
	// What is in exempt namespaces is only asked about where none is, and what Portcullis is repaired by never.
	harmless, never := []string{"pods", "workloads", "deployments", "kube-system", "system", "leases"}, []string{"roles", "role-bindings", "kinds"}
	for name, text := range table {
		p := compiled(t, "policy.rego", text)
		_, about, _ := strings.Cut(name, "-")
		pass := slices.Contains(never, about)
		if err := plain.Check(t.Context(), p); (err == nil) != pass {
			t.Errorf("%s: %v", name, err)
		}
		pass = pass || !strings.HasPrefix(name, "guard-") && slices.Contains(harmless, about)
		if err := exempting.Check(t.Context(), p); (err == nil) != pass {
			t.Errorf("%s, where the system's namespaces are exempt: %v", name, err)
		}
	}
}

// Each policy of the library can be put in force with the first example of its parameters, and refuses nothing that a cluster lives by.
func TestTheLibraryPasses(t *testing.T) {
	reader, err := native.NewReader(embedded(t))
	if err != nil {
		t.Fatal(err)
	}
	s := sentinel(t, Options{Exempt: exempt()})
	for _, name := range library.Names() {
		specs, faults := reader.Use(name)
		if text, ok := example(t, name); ok {
			specs, faults = reader.Read([]native.File{{Name: "policy.yaml", Text: text}})
		}
		if len(faults) > 0 || len(specs) != 1 {
			t.Fatalf("%s: %v", name, faults)
		}
		p, err := policies.CompilePolicy(t.Context(), specs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
}

// example is a Policy document which gives a policy of the library the parameters of the first example in its METADATA, if there is one.
func example(t *testing.T, name string) ([]byte, bool) {
	t.Helper()
	text, err := fs.ReadFile(library.FS(), library.File(name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{ProcessAnnotation: true})
	if err != nil {
		t.Fatal(err)
	}
	said, _ := m.Annotations[0].Custom["portcullis"].(map[string]any)
	parameters, _ := said["parameters"].(map[string]any)
	examples, _ := parameters["examples"].([]any)
	if len(examples) == 0 {
		return nil, false
	}
	document, err := yaml.Marshal(map[string]any{
		"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"use": name, "parameters": examples[0]},
	})
	if err != nil {
		t.Fatal(err)
	}
	return document, true
}

func TestRefusedOptions(t *testing.T) {
	const want = `"a: b" cannot be the name of the release or its namespace: ` +
		`a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric ` +
		`character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`
	if _, err := New(Options{Name: "a: b"}); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestInterruptedIsNotRefused(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := compiled(t, "policy.rego", policy("nodes", "match: {resources: [nodes]}", `deny contains "no"`))
	cancel()
	if err := sentinel(t, Options{}).Check(ctx, p); err != context.Canceled { //nolint:errorlint // it is handed on as it is
		t.Error(err)
	}
}

// Whoever writes a policy that is never asked where it could do harm is told, and nobody else.
func TestSpared(t *testing.T) {
	s := sentinel(t, Options{Exempt: exempt()})
	for _, row := range []struct{ what, text, want string }{
		{
			"Pods anywhere", policy("pods", "match: {resources: [pods]}", `deny contains "no" if input.request.namespace == "kube-system"`),
			"it is never asked about what is in an exempt namespace, and could refuse there what the cluster lives by: " +
				"a Pod of the cluster's DNS is made (create pods kube-system/coredns-5d78c9869d-abcde by system:serviceaccount:kube-system:replicaset-controller): no",
		},
		{"Pods elsewhere", policy("pods", "match: {resources: [pods]}", `deny contains "no" if input.request.namespace == "shop"`), ""},
		{"Pods elsewhere by match", policy("pods", "match: {resources: [pods], excludeNamespaces: [kube-system, portcullis]}", `deny contains "no"`), ""},
		{
			"an owner of every ClusterRole",
			policy("rbac", "match: {resources: [clusterroles.rbac.authorization.k8s.io]}", `deny contains "no owner" if not input.request.object.metadata.labels.owner`),
			"it is never asked about the ClusterRole, the binding and the kinds by which Portcullis is repaired, and could refuse that: " +
				"the ClusterRole of Portcullis is changed (update clusterroles.rbac.authorization.k8s.io portcullis by system:admin): no owner",
		},
		{
			"no ClusterRoleBinding", policy("bound", "match: {resources: [clusterrolebindings.rbac.authorization.k8s.io]}", `deny contains "no"`),
			"it is never asked about the ClusterRole, the binding and the kinds by which Portcullis is repaired, and could refuse that: " +
				"the ClusterRole of Portcullis is bound (create clusterrolebindings.rbac.authorization.k8s.io portcullis by system:admin): no",
		},
		{
			"no kinds, and no Deployments", policy("kinds", "match: {resources: [customresourcedefinitions.apiextensions.k8s.io, deployments.apps]}", `deny contains "no"`),
			"it is never asked about what is in an exempt namespace, and could refuse there what the cluster lives by: " +
				"the Deployment of Portcullis is changed (update deployments.apps portcullis/portcullis by system:admin): no\n" +
				"it is never asked about the ClusterRole, the binding and the kinds by which Portcullis is repaired, and could refuse that: " +
				"the kind Policy is mended (update customresourcedefinitions.apiextensions.k8s.io policies.portcullis.dev by system:admin): no",
		},
		{"ClusterRoles of others", policy("rbac", "match: {resources: [clusterroles.rbac.authorization.k8s.io]}", `deny contains "no" if input.request.name != "portcullis"`), ""},
		{"a guard", policy("g", "match: {stage: guard, namespaces: [kube-system], users: [mallory]}", `deny contains "no"`), ""},
	} {
		if got := strings.Join(s.Spared(t.Context(), compiled(t, "policy.rego", row.text)), "\n"); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.what, got, row.want)
		}
	}
}
