package registration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
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
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

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
