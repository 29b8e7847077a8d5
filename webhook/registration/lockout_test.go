package registration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/portcullis-dev/portcullis/test/cluster"
)

const (
	ours = "portcullis-system"
	node = "n1"
	// bootstrapRole is one of the roles which the API server makes when it starts, and ends if it cannot.
	bootstrapRole = "system:public-info-viewer"
)

// TestColdStart: everything is registered with Fail and nobody listens. What brings a cluster and Portcullis back must pass; that
// anything else is stopped, and that the same passes no more without the exclusions, shows that the test can tell.
func TestColdStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plane")
	before := cluster.StartT(t, cluster.Options{Dir: dir})
	p := clients(t, before)
	p.namespace(t, ours)
	eventually(t, "the namespaces of the system", func(ctx context.Context) (bool, error) {
		_, lease := p.client.CoreV1().Namespaces().Get(ctx, corev1.NamespaceNodeLease, metav1.GetOptions{})
		_, account := p.client.CoreV1().ServiceAccounts(metav1.NamespaceSystem).Get(ctx, "default", metav1.GetOptions{})
		return lease == nil && account == nil, nil
	})
	// A Pod of somebody else's, which its kubelet looks after.
	if err := p.makePod(t.Context(), metav1.NamespaceDefault, "old", node); err != nil {
		t.Fatal(err)
	}
	p.define(t)
	if err := p.client.RbacV1().ClusterRoles().Delete(t.Context(), bootstrapRole, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	configurations := Plan([]Interest{{Phase: Validate, Fail: true}, {Phase: Mutate, Fail: true}},
		Options{Name: "portcullis", Namespace: ours, URL: "https://127.0.0.1:1", Bundle: stranger(t)})
	p.register(t, configurations)
	p.stopsOthers(t)

	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	after := cluster.StartT(t, cluster.Options{Dir: dir})
	p = clients(t, after)
	p.stopsOthers(t)
	for name, err := range map[string]error{
		"our role bound by another name": p.bound(t.Context(), "x", "portcullis"),
		"another role by our name":       p.bound(t.Context(), "portcullis", "cluster-admin"),
		"a role with our label":          p.labelledRole(t.Context()),
	} {
		if !stopped(err) {
			t.Errorf("%s is not stopped: %v", name, err)
		}
	}
	lifelines := p.lifelines(t)
	t.Run("passes", func(t *testing.T) {
		for _, line := range lifelines {
			if err := line.do(t.Context()); err != nil {
				t.Errorf("%s: %v", line.what, err)
			}
		}
		eventually(t, "controllers make our Pods", func(ctx context.Context) (bool, error) {
			pods, err := p.client.CoreV1().Pods(ours).List(ctx, metav1.ListOptions{LabelSelector: "app=portcullis"})
			return err == nil && len(pods.Items) == 2, err
		})
		eventually(t, "the API server makes its roles", func(ctx context.Context) (bool, error) {
			_, err := p.client.RbacV1().ClusterRoles().Get(ctx, bootstrapRole, metav1.GetOptions{})
			return err == nil, nil
		})
	})
	t.Run("ours as long as it is ours", func(t *testing.T) { p.repairs(t) })
	t.Run("without the exclusions it is stopped", func(t *testing.T) {
		for n := range configurations.Validating.Webhooks {
			hook := &configurations.Validating.Webhooks[n]
			hook.MatchConditions, hook.NamespaceSelector = nil, nil
		}
		configurations.Mutating.Webhooks = nil
		p.register(t, configurations)
		eventually(t, "our Pods are stopped", func(ctx context.Context) (bool, error) { return stopped(p.pod(ctx, ours, "x")), nil })
		for _, line := range p.lifelines(t) {
			// The API server asks no webhook about reviews, whatever is registered.
			if err := line.do(t.Context()); !stopped(err) && !line.always {
				t.Errorf("%s: %v", line.what, err)
			}
		}
	})
	t.Run("unlock", func(t *testing.T) {
		out, errs, err := after.Kubectl(t.Context(), "", nil, "delete", "validatingwebhookconfiguration", "portcullis")
		if err != nil {
			t.Fatal(out, errs, err)
		}
		eventually(t, "everything passes", func(ctx context.Context) (bool, error) {
			return p.pod(ctx, metav1.NamespaceDefault, "x") == nil, nil
		})
	})
}

func (p *plane) bound(ctx context.Context, name, role string) error {
	_, err := p.client.RbacV1().ClusterRoleBindings().Create(ctx, bind(name, role), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// repairs has our role and its binding made as the chart makes them, again and again; with more in them they are judged.
func (p *plane) repairs(t *testing.T) {
	rbac := rbacv1.SchemeGroupVersion
	roles, bindings := p.dynamic.Resource(rbac.WithResource("clusterroles")), p.dynamic.Resource(rbac.WithResource("clusterrolebindings"))
	role, binding := chartedHere(t)
	for _, way := range []struct {
		what   string
		client dynamic.ResourceInterface
		patch  string
		repair any
	}{
		{"our role lists Secrets", roles, `[{"op":"add","path":"/rules/-","value":{"apiGroups":[""],"resources":["secrets"],"verbs":["list"]}}]`, role},
		{"our role is part of view", roles, `[{"op":"add","path":"/metadata/labels","value":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]`, role},
		{
			"our role is given to everybody", bindings,
			`[{"op":"add","path":"/subjects/-","value":{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"system:unauthenticated"}}]`, binding,
		},
	} {
		_, err := way.client.Patch(t.Context(), "portcullis", types.JSONPatchType, []byte(way.patch), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if !stopped(err) {
			t.Errorf("%s, and it is not stopped: %v", way.what, err)
		}
		text, err := json.Marshal(way.repair)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := way.client.Patch(t.Context(), "portcullis", types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "helm", Force: new(true)}); err != nil {
			t.Errorf("it is repaired: %v", err)
		}
	}
}

// chartedHere are the chart's role and binding for the namespace of this test.
func chartedHere(t *testing.T) (*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding) {
	t.Helper()
	objects := charted(t, "default")
	binding := objects["ClusterRoleBinding"].(*rbacv1.ClusterRoleBinding)
	binding.Subjects[0].Namespace = ours
	return objects["ClusterRole"].(*rbacv1.ClusterRole), binding
}

// labelledRole makes a role that says it is ours.
func (p *plane) labelledRole(ctx context.Context) error {
	_, err := p.client.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{
		Name: "x", Labels: map[string]string{"app.kubernetes.io/name": "portcullis", "app.kubernetes.io/instance": "portcullis"},
	}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// register puts configurations in place of those there are.
func (p *plane) register(t *testing.T, c Configurations) {
	t.Helper()
	objects, err := c.objects()
	if err != nil {
		t.Fatal(err)
	}
	for n, at := range places("portcullis") {
		live, err := at.get(t.Context(), p.dynamic)
		if err == nil {
			err = at.apply(t.Context(), p.dynamic, objects[n], live)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stopsOthers waits until the API server refuses what it should, for want of an answer.
func (p *plane) stopsOthers(t *testing.T) {
	t.Helper()
	eventually(t, "a Pod of somebody else's is stopped", func(ctx context.Context) (bool, error) {
		return stopped(p.pod(ctx, metav1.NamespaceDefault, "x")), nil
	})
}

func stopped(err error) bool {
	return err != nil && strings.Contains(err.Error(), `failed calling webhook "enforce.`)
}

// lifeline is one request that must pass.
type lifeline struct {
	what   string
	do     func(context.Context) error
	always bool // no webhook is ever asked about it
}

// lifelines are made anew for each use, so that nothing exists already.
func (p *plane) lifelines(t *testing.T) []lifeline {
	t.Helper()
	tag := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])[:4]
	name := "x-" + tag
	kubelet := p.as(t, "system:node:"+node, "system:nodes", "system:authenticated")
	meta := metav1.ObjectMeta{Name: name}
	created := metav1.CreateOptions{}
	role, binding := chartedHere(t)
	var out []lifeline
	add := func(what string, do func(context.Context) error) { out = append(out, lifeline{what: what, do: do}) }
	always := func(what string, do func(context.Context) error) {
		out = append(out, lifeline{what: what, do: do, always: true})
	}

	add("a kubelet joins", func(ctx context.Context) error {
		_ = p.client.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{})
		_, err := kubelet.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, created)
		return err
	})
	add("a kubelet reports on its node", func(ctx context.Context) error {
		ready := `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"` + tag + `"}]}}`
		_, err := kubelet.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, []byte(ready), metav1.PatchOptions{}, "status")
		return err
	})
	add("an administrator cordons a node", func(ctx context.Context) error {
		cordon := fmt.Sprintf(`{"metadata":{"labels":{"by":%q}},"spec":{"unschedulable":true}}`, tag)
		_, err := p.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, []byte(cordon), metav1.PatchOptions{})
		return err
	})
	add("a kubelet renews its lease", func(ctx context.Context) error {
		_ = p.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, node, metav1.DeleteOptions{})
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: node}}
		_, err := kubelet.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(ctx, lease, created)
		return err
	})
	add("a controller elsewhere takes a lease", func(ctx context.Context) error {
		_, err := p.client.CoordinationV1().Leases(metav1.NamespaceDefault).Create(ctx, &coordinationv1.Lease{ObjectMeta: meta}, created)
		return err
	})
	add("a kubelet asks for a certificate", func(ctx context.Context) error {
		request := &certificatesv1.CertificateSigningRequest{ObjectMeta: meta, Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: certificateRequest(t), SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		}}
		_, err := p.client.CertificatesV1().CertificateSigningRequests().Create(ctx, request, created)
		return err
	})
	add("it is approved", func(ctx context.Context) error {
		requests, err := p.client.CertificatesV1().CertificateSigningRequests().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		request := &requests.Items[0]
		request.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{
			{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Test", Message: tag},
		}
		_, err = p.client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, request.Name, request, metav1.UpdateOptions{})
		return err
	})
	add("somebody writes an event", func(ctx context.Context) error {
		event := &corev1.Event{ObjectMeta: meta, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "old"}, Reason: "Test"}
		_, err := p.client.CoreV1().Events(metav1.NamespaceDefault).Create(ctx, event, created)
		return err
	})
	add("somebody writes an event of the new group", func(ctx context.Context) error {
		event := &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-new"}, EventTime: metav1.NowMicro(), ReportingController: "example.com/test",
			ReportingInstance: "test", Action: "Testing", Reason: "Test", Type: corev1.EventTypeNormal,
			Regarding: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "old"},
		}
		_, err := p.client.EventsV1().Events(metav1.NamespaceDefault).Create(ctx, event, created)
		return err
	})
	add("a kubelet reports on a Pod", func(ctx context.Context) error {
		running := fmt.Sprintf(`{"status":{"phase":"Running","message":%q}}`, tag)
		_, err := kubelet.CoreV1().Pods(metav1.NamespaceDefault).Patch(ctx, "old", types.StrategicMergePatchType, []byte(running), metav1.PatchOptions{}, "status")
		return err
	})
	add("a kubelet ends a Pod", func(ctx context.Context) error {
		return kubelet.CoreV1().Pods(metav1.NamespaceDefault).Delete(ctx, "old", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
	})
	add("our Deployment is made", func(ctx context.Context) error {
		labels, replicas := map[string]string{"app": "portcullis"}, int32(2)
		_, err := p.client.AppsV1().Deployments(ours).Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		}}, created)
		return err
	})
	add("our Pod is scheduled", func(ctx context.Context) error {
		if err := p.makePod(ctx, ours, name, ""); err != nil {
			return err
		}
		return p.client.CoreV1().Pods(ours).Bind(ctx, &corev1.Binding{
			ObjectMeta: meta, Target: corev1.ObjectReference{Kind: "Node", Name: node},
		}, created)
	})
	add("our Pod gets its token", func(ctx context.Context) error {
		_, err := p.client.CoreV1().ServiceAccounts(ours).CreateToken(ctx, "default", &authenticationv1.TokenRequest{}, created)
		return err
	})
	add("our Namespace is labelled", func(ctx context.Context) error {
		label := fmt.Sprintf(`{"metadata":{"labels":{"by":%q}}}`, tag)
		_, err := p.client.CoreV1().Namespaces().Patch(ctx, ours, types.MergePatchType, []byte(label), metav1.PatchOptions{})
		return err
	})
	add("a Pod of the system is made", func(ctx context.Context) error { return p.makePod(ctx, metav1.NamespaceSystem, name, "") })
	add("a policy is made", func(ctx context.Context) error {
		policy := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "portcullis.dev/v1alpha1", "kind": "Policy", "metadata": map[string]any{"name": name},
		}}
		_, err := p.dynamic.Resource(policies()).Create(ctx, policy, created)
		return err
	})
	add("our kind is mended", func(ctx context.Context) error {
		_, err := p.dynamic.Resource(definitions()).Patch(ctx, "policies."+Group, types.MergePatchType, labelled(tag), metav1.PatchOptions{})
		return err
	})
	add("our role is made", func(ctx context.Context) error {
		_ = p.client.RbacV1().ClusterRoles().Delete(ctx, "portcullis", metav1.DeleteOptions{})
		_, err := p.client.RbacV1().ClusterRoles().Create(ctx, role, created)
		return err
	})
	add("our role is bound", func(ctx context.Context) error {
		_ = p.client.RbacV1().ClusterRoleBindings().Delete(ctx, "portcullis", metav1.DeleteOptions{})
		_, err := p.client.RbacV1().ClusterRoleBindings().Create(ctx, binding, created)
		return err
	})
	always("a token is reviewed", func(ctx context.Context) error {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: "x"}}
		_, err := p.client.AuthenticationV1().TokenReviews().Create(ctx, review, created)
		return err
	})
	always("a permission is asked for", func(ctx context.Context) error {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "pods"},
		}}
		_, err := p.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, created)
		return err
	})
	always("another webhook is mended", func(ctx context.Context) error {
		_, err := p.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(ctx, "portcullis-policies",
			types.MergePatchType, labelled(tag), metav1.PatchOptions{})
		return err
	})
	return out
}

func labelled(tag string) []byte { return []byte(`{"metadata":{"labels":{"by":"` + tag + `"}}}`) }

func bind(name, role string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
}

func (p *plane) makePod(ctx context.Context, namespace, name, node string) error {
	_, err := p.client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	return err
}

// as is a client that acts as somebody else.
func (p *plane) as(t *testing.T, user string, groups ...string) *kubernetes.Clientset {
	t.Helper()
	config := rest.CopyConfig(p.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return kubernetes.NewForConfigOrDie(config)
}

func policies() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: Group, Version: "v1alpha1", Resource: "policies"}
}

func definitions() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// define makes the API server know of policies, as much as is needed here.
func (p *plane) define(t *testing.T) {
	t.Helper()
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "policies." + Group},
		"spec": map[string]any{
			"group": Group, "scope": "Cluster",
			"names": map[string]any{"kind": "Policy", "plural": "policies", "singular": "policy", "listKind": "PolicyList"},
			"versions": []any{map[string]any{
				"name": "v1alpha1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
			}},
		},
	}}
	if _, err := p.dynamic.Resource(definitions()).Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "policies are served", func(ctx context.Context) (bool, error) {
		_, err := p.dynamic.Resource(policies()).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
}

func certificateRequest(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// TestPlansAreValid shows every plan to the API server, which must take it as it is and warn of nothing; and writes down what of all that
// a cluster has is asked about when policies want everything.
func TestPlansAreValid(t *testing.T) {
	p := clients(t, cluster.StartT(t, cluster.Options{NoControllerManager: true}))
	config := rest.CopyConfig(p.config)
	config.WarningHandlerWithContext = warnings{t}
	client := dynamic.NewForConfigOrDie(config)
	for _, name := range slices.Sorted(maps.Keys(plans())) {
		plan := plans()[name]
		objects, err := Plan(plan.interests, plan.options).objects()
		if err != nil {
			t.Fatal(err)
		}
		for n, at := range places(plan.options.Name) {
			body, err := convert[unstructured.Unstructured](objects[n])
			if err != nil {
				t.Fatal(err)
			}
			made, err := at.client(client).Create(t.Context(), body, metav1.CreateOptions{
				DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
			})
			if err != nil {
				t.Errorf("%s: the %s: %v", name, at, err)
				continue
			}
			live, err := convert[object](made)
			if err != nil || !same(live, objects[n]) {
				t.Errorf("%s: the API server makes of the %s something else: %+v, %v", name, at, live, err)
			}
		}
	}
	testMatrix(t, p)
}

type warnings struct{ t *testing.T }

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.t.Errorf("the API server warns: %s", text)
}
