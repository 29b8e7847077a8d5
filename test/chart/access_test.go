package chart

import (
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	admissionregistrationac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
	"github.com/portcullis-dev/portcullis/test/props"
	"github.com/portcullis-dev/portcullis/test/release"
)

// question is what the service account might want to do.
type question struct{ verb, group, resource, subresource, namespace, name string }

const (
	own       = "guard"
	foreign   = "kube-system"
	user      = "system:serviceaccount:guard:portcullis"
	admission = "admissionregistration.k8s.io"
	rbac      = "rbac.authorization.k8s.io"
)

// allowed is what the server does all day.
func allowed() []question {
	return []question{
		{verb: "watch", resource: "namespaces"},
		{verb: "watch", group: "portcullis.dev", resource: "policies"},
		{verb: "watch", group: "portcullis.dev", resource: "policyexceptions"},
		{verb: "patch", group: "portcullis.dev", resource: "policies", subresource: "status", name: "any"},
		{verb: "patch", group: "portcullis.dev", resource: "policyexceptions", subresource: "status", namespace: foreign, name: "any"},
		{verb: "get", group: admission, resource: "validatingwebhookconfigurations", name: "portcullis"},
		{verb: "create", group: admission, resource: "validatingwebhookconfigurations", name: "portcullis-policies"},
		{verb: "patch", group: admission, resource: "mutatingwebhookconfigurations", name: "portcullis"},
		{verb: "get", group: rbac, resource: "clusterroles", name: "portcullis-owner"},
		{verb: "create", group: "coordination.k8s.io", resource: "leases", namespace: own},
		{verb: "get", resource: "secrets", namespace: own, name: "portcullis-tls"},
		{verb: "patch", resource: "secrets", namespace: own, name: "portcullis-ca"},
		{verb: "create", resource: "secrets", namespace: own, name: "portcullis-ca"},
		{verb: "create", resource: "secrets", namespace: own, name: "portcullis-tls"},
		{verb: "update", resource: "secrets", namespace: own, name: "portcullis-tls"},
		{verb: "watch", resource: "secrets", namespace: own, name: "portcullis-last-good"},
		{verb: "create", resource: "secrets", namespace: own, name: "portcullis-last-good"},
		{verb: "update", resource: "secrets", namespace: own, name: "portcullis-last-good"},
		{verb: "get", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", name: "policies.portcullis.dev"},
		{verb: "watch", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "watch", group: "templates.gatekeeper.sh", resource: "constrainttemplates"},
		{verb: "watch", group: "constraints.gatekeeper.sh", resource: "whatever"},
		{verb: "watch", group: "mutations.gatekeeper.sh", resource: "assign"},
		{verb: "watch", group: "expansion.gatekeeper.sh", resource: "expansiontemplate"},
		{verb: "watch", group: "externaldata.gatekeeper.sh", resource: "providers"},
		{verb: "watch", group: "config.gatekeeper.sh", resource: "configs", namespace: foreign},
		{verb: "watch", group: "syncset.gatekeeper.sh", resource: "syncsets"},
		{verb: "patch", group: "templates.gatekeeper.sh", resource: "constrainttemplates", subresource: "status", name: "any"},
		{verb: "patch", group: "constraints.gatekeeper.sh", resource: "whatever", subresource: "status", name: "any"},
		{verb: "patch", group: "mutations.gatekeeper.sh", resource: "modifyset", subresource: "status", name: "any"},
		{verb: "patch", group: "expansion.gatekeeper.sh", resource: "expansiontemplate", subresource: "status", name: "any"},
		{verb: "patch", group: "externaldata.gatekeeper.sh", resource: "providers", subresource: "status", name: "any"},
		{verb: "patch", group: "config.gatekeeper.sh", resource: "configs", subresource: "status", namespace: foreign, name: "any"},
		{verb: "patch", group: "syncset.gatekeeper.sh", resource: "syncsets", subresource: "status", name: "any"},
		{verb: "watch", resource: "configmaps", namespace: own},
		{verb: "list", resource: "pods"}, // for the audit
		{verb: "watch", group: "apps", resource: "deployments"},
		{verb: "patch", group: "openreports.io", resource: "reports", namespace: foreign, name: "any"},
		{verb: "delete", group: "openreports.io", resource: "clusterreports", name: "any"},
		{verb: "create", group: "wgpolicyk8s.io", resource: "policyreports", namespace: foreign},
		{verb: "list", group: "wgpolicyk8s.io", resource: "clusterpolicyreports"},
		{verb: "patch", resource: "configmaps", namespace: own, name: "any"}, // the annotation that kube-mgmt's users know
		{verb: "create", group: "events.k8s.io", resource: "events", namespace: own},
		{verb: "patch", group: "events.k8s.io", resource: "events", namespace: foreign, name: "any"}, // about a PolicyException there
		{verb: "create", group: "events.k8s.io", resource: "events", namespace: "default"},           // about what lies in no namespace
	}
}

// refused is what it could do harm with.
func refused() []question {
	questions := []question{
		{verb: "list", resource: "secrets"},
		{verb: "list", resource: "secrets", namespace: own},
		{verb: "create", resource: "secrets", namespace: own}, // of any name, and so a token of any service account
		{verb: "create", resource: "secrets", namespace: own, name: "another"},
		{verb: "get", resource: "secrets", namespace: own, name: "another"},
		{verb: "get", resource: "secrets", namespace: foreign, name: "portcullis-tls"},
		{verb: "create", resource: "serviceaccounts", subresource: "token", namespace: own, name: "portcullis"},
		{verb: "list", resource: "configmaps"},
		{verb: "create", resource: "configmaps", namespace: own},
		{verb: "update", resource: "configmaps", namespace: own, name: "any"},
		{verb: "patch", resource: "configmaps", namespace: foreign, name: "any"},
		{verb: "create", resource: "events", namespace: own},
		{verb: "delete", group: "events.k8s.io", resource: "events", namespace: own, name: "any"},
		{verb: "list", group: "events.k8s.io", resource: "events", namespace: own},
		{verb: "update", group: "portcullis.dev", resource: "policies", subresource: "status", name: "any"},
		{verb: "get", group: "coordination.k8s.io", resource: "leases", namespace: foreign},
		{verb: "update", resource: "namespaces", name: own},
		{verb: "get", resource: "nodes", subresource: "proxy"},
		{verb: "create", group: "portcullis.dev", resource: "policies"},
		{verb: "update", group: "portcullis.dev", resource: "policies", name: "any"},
		{verb: "delete", group: "portcullis.dev", resource: "policies", name: "any"},
		{verb: "create", group: "portcullis.dev", resource: "policyexceptions", namespace: own},
		{verb: "create", group: admission, resource: "validatingwebhookconfigurations"},
		{verb: "patch", group: admission, resource: "validatingwebhookconfigurations", name: "another"},
		{verb: "delete", group: admission, resource: "mutatingwebhookconfigurations", name: "another"},
		{verb: "create", group: admission, resource: "validatingadmissionpolicies"},
		{verb: "impersonate", resource: "users", name: "root"},
		{verb: "impersonate", resource: "groups", name: "system:masters"},
		{verb: "approve", group: "certificates.k8s.io", resource: "signers", name: "kubernetes.io/kube-apiserver-client"},
		{verb: "update", group: "certificates.k8s.io", resource: "certificatesigningrequests", subresource: "approval"},
		{verb: "update", group: "apiextensions.k8s.io", resource: "customresourcedefinitions"},
		{verb: "update", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", name: "policies.portcullis.dev"},
		{verb: "delete", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", name: "any"},
		{verb: "patch", group: "apiextensions.k8s.io", resource: "customresourcedefinitions", subresource: "status", name: "any"},
		{verb: "patch", group: "templates.gatekeeper.sh", resource: "constrainttemplates", name: "any"},
		{verb: "delete", group: "templates.gatekeeper.sh", resource: "constrainttemplates", name: "any"},
		{verb: "patch", group: "constraints.gatekeeper.sh", resource: "whatever", name: "any"},
		{verb: "delete", group: "constraints.gatekeeper.sh", resource: "whatever", name: "any"},
		{verb: "update", group: "constraints.gatekeeper.sh", resource: "whatever", subresource: "status", name: "any"},
		{verb: "patch", group: "mutations.gatekeeper.sh", resource: "assign", name: "any"},
		{verb: "patch", group: "externaldata.gatekeeper.sh", resource: "providers", name: "any"},
		{verb: "patch", group: "config.gatekeeper.sh", resource: "configs", namespace: foreign, name: "any"},
		{verb: "patch", group: "syncset.gatekeeper.sh", resource: "syncsets", name: "any"},
		{verb: "delete", resource: "secrets", namespace: own, name: "another"},
		{verb: "list", group: "gateway.networking.k8s.io", resource: "gateways"}, // unless rbac.inventory or audit.rbac names it
		{verb: "get", resource: "pods", namespace: foreign, name: "any"},
		{verb: "create", group: "cert-manager.io", resource: "certificates", namespace: own},
		{verb: "*", group: "*", resource: "*"},
	}
	for _, resource := range []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"} {
		for _, verb := range []string{"create", "update", "patch", "bind", "escalate"} {
			questions = append(questions, question{verb: verb, group: rbac, resource: resource, namespace: own, name: "portcullis"})
		}
	}
	for _, subresource := range []string{"", "exec", "ephemeralcontainers"} {
		questions = append(questions, question{verb: "create", resource: "pods", subresource: subresource, namespace: own})
	}
	for _, resource := range []string{"deployments", "daemonsets", "replicasets", "statefulsets"} {
		questions = append(questions, question{verb: "patch", group: "apps", resource: resource, namespace: own, name: "portcullis"})
	}
	return questions
}

func TestTheServiceAccountMayDoWhatItMustAndNoMore(t *testing.T) {
	c := cluster.StartT(t, cluster.Options{})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	r := release.Release{Root: root, Name: "portcullis", Namespace: own}
	if err := r.Install(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	// Once more is an upgrade that changes nothing.
	if err := r.Install(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	may := func(q question) bool {
		t.Helper()
		review, err := client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   user,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + own, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: q.verb, Group: q.group, Resource: q.resource, Subresource: q.subresource, Namespace: q.namespace, Name: q.name,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	for _, q := range allowed() {
		if !may(q) {
			t.Errorf("the server may not %+v", q)
		}
	}
	for _, q := range refused() {
		if may(q) {
			t.Errorf("the server may %+v", q)
		}
	}

	// Server-side apply names what it creates, so that roles can confine it.
	as := rest.CopyConfig(config)
	as.Impersonate = rest.ImpersonationConfig{UserName: user}
	server := kubernetes.NewForConfigOrDie(as).AdmissionregistrationV1().ValidatingWebhookConfigurations()
	for name, may := range map[string]bool{"portcullis": true, "portcullis-policies": true, "another": false} {
		_, err := server.Apply(t.Context(), admissionregistrationac.ValidatingWebhookConfiguration(name), metav1.ApplyOptions{FieldManager: "portcullis"})
		if may && err != nil || !may && !apierrors.IsForbidden(err) {
			t.Errorf("applying the configuration %s: %v", name, err)
		}
	}

	definesNoKindsButConstraints(t, as, c)

	if err := r.Uninstall(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if may(allowed()[0]) {
		t.Error("the roles are still there after the release was uninstalled")
	}
	// Policies outlive the release, and so do the definitions of their kinds.
	for _, object := range objects(t, render(t)) {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if _, _, err := c.Kubectl(t.Context(), "", nil, "get", "crd", object.GetName()); err != nil {
			t.Errorf("the definition went with the release: %v", err)
		}
	}
}

// definesNoKindsButConstraints: what a role cannot say is said by an admission policy.
func definesNoKindsButConstraints(t *testing.T, as *rest.Config, c *cluster.Cluster) {
	t.Helper()
	crds := dynamic.NewForConfigOrDie(as).Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	define := func(group, conversion string) error {
		crd := map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "tests." + group},
			"spec": map[string]any{
				"group": group, "scope": "Cluster", "names": map[string]any{"kind": "Tests", "plural": "tests", "singular": "tests", "listKind": "TestsList"},
				"versions": []any{map[string]any{
					"name": "v1beta1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
				}},
			},
		}
		if conversion != "" {
			crd["spec"].(map[string]any)["conversion"] = map[string]any{"strategy": "Webhook", "webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"}, "clientConfig": map[string]any{"url": conversion},
			}}
		}
		_, err := crds.Create(t.Context(), &unstructured.Unstructured{Object: crd}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	const another, converted = "Portcullis may define the kinds of Gatekeeper's constraints, and no others.", "Portcullis may define no kind whose objects are converted by a webhook."
	props.Eventually(t, "the admission policy is in force", func() bool {
		err := define("example.com", "")
		return err != nil && strings.Contains(err.Error(), another)
	})
	if err := define("constraints.gatekeeper.sh", ""); err != nil {
		t.Errorf("the kind of a constraint: %v", err)
	}
	if err := define("constraints.gatekeeper.sh", "https://elsewhere.example.com"); err == nil || !strings.Contains(err.Error(), converted) {
		t.Errorf("a kind that is converted elsewhere: %v", err)
	}
	patch := []byte(`{"spec": {"preserveUnknownFields": false}, "metadata": {"labels": {"a": "b"}}}`)
	_, err := crds.Patch(t.Context(), "policies.portcullis.dev", types.MergePatchType, patch, metav1.PatchOptions{})
	if err == nil || !strings.Contains(err.Error(), another) {
		t.Errorf("a definition of our own: %v", err)
	}
	if _, stderr, err := c.Kubectl(t.Context(), "", nil, "label", "crd", "policies.portcullis.dev", "a=b"); err != nil {
		t.Errorf("others are held to it, too: %s", stderr)
	}
}
