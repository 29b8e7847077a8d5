package registration

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
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
	t.Parallel()
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
