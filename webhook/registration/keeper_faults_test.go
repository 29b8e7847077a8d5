package registration

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// untilReported waits for an error that begins so.
func (w *world) untilReported(t *testing.T, begins string) {
	t.Helper()
	eventually(t, "it is reported: "+begins, func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.standing.Err != nil && strings.HasPrefix(w.standing.Err.Error(), begins) && len(w.standing.Asked) == 0, nil
	})
}

// That the API server does not reach us any more is seen, and nothing passes for that.
func testReached(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	asked := map[string]string{"names": "r1"}
	w.untilAsked(t, asked)
	probes := w.server.probes.Load()
	for range 3 {
		w.settle(t)
	}
	if n := w.server.probes.Load(); n != probes {
		t.Errorf("looks within a minute had %d probes sent", n-probes)
	}
	w.server.broken.Store(true)
	unanswered := func() float64 { return testutil.ToFloat64(w.metrics.probes.WithLabelValues(probeUnanswered)) }
	before := unanswered()
	w.set(func() { w.clockAdds += look })
	eventually(t, "both phases are probed again", func(context.Context) (bool, error) { return unanswered() == before+2, nil })
	w.settle(t)
	w.untilAsked(t, asked) // one answer that is lost is not told
	w.set(func() { w.clockAdds += doubt })
	w.untilReported(t, "the API server does not reach this server any more: the probe of the ")
	w.settle(t)
	if n := unanswered(); n != before+4 {
		t.Errorf("two rounds were %v probes", n-before)
	}
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) {
		t.Errorf("what is not reached is registered as %+v, %v", hook, err)
	}
	// More is not refused for that: what a policy wants beside waits, what none wants goes, and what is new is registered with Ignore.
	w.set(func() { w.wanted = asking{[]Interest{w.interest("pods", "secrets")}, "r2"} })
	w.settle(t)
	w.until(t, "what it was", asksAbout("pods"))
	w.set(func() { w.wanted = asking{nil, "r3"} })
	w.until(t, "nothing", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
	w.set(func() { w.wanted = asking{[]Interest{w.interest("pods")}, "r4"} })
	w.until(t, "all", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook != nil })
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || fails(hook) {
		t.Errorf("a policy that comes while nobody is reached is registered as %+v, %v", hook, err)
	}
	if err := w.pod(t.Context(), w.options.Name, "good"); err != nil {
		t.Errorf("a policy that comes while nobody is reached has refused: %v", err)
	}
	w.server.broken.Store(false)
	w.set(func() { w.clockAdds += doubt })
	w.untilAsked(t, map[string]string{"names": "r4"})
	w.until(t, "Fail", fails)
}

// Of a server that does not answer it is told that, and not that it was not asked, however long it may take.
func testSilent(t *testing.T, w *world) {
	w.options.ValidateSeconds = 6
	w.server.silent.Store(true)
	w.run(t)
	w.untilReported(t, `the probe of the validate webhook was not answered: Internal error occurred: failed calling webhook "probe.validate.portcullis.dev"`)
}

// What waits while it is not sure that anybody is reached is registered as soon as somebody is, and not said to be before.
func testDoubt(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.server.broken.Store(true)
	unanswered := func() float64 { return testutil.ToFloat64(w.metrics.probes.WithLabelValues(probeUnanswered)) }
	before := unanswered()
	w.set(func() { w.clockAdds += look })
	eventually(t, "both phases are probed again", func(context.Context) (bool, error) { return unanswered() == before+2, nil })
	w.settle(t)
	w.set(func() { w.wanted = asking{[]Interest{w.interest("pods", "secrets")}, "r2"} })
	w.settle(t)
	w.until(t, "what it was", asksAbout("pods"))
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.server.broken.Store(false)
	w.set(func() { w.clockAdds += doubt })
	w.untilAsked(t, map[string]string{"names": "r2"})
	w.until(t, "all", asksAbout("pods", "secrets"))
}

// What lasts is told: nobody keeps the registration true while it is not known what it should be.
func testUnknown(t *testing.T, w *world) {
	w.still = time.Now()
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.set(func() { w.unknown = true })
	w.settle(t)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.set(func() { w.clockAdds += look })
	w.untilReported(t, "what policies want is not registered now, and what is registered stays: the policies were not read yet")
	w.set(func() { w.unknown = false })
	w.untilAsked(t, map[string]string{"names": "r1"})
}

// Conflicts that do not end are told like other errors.
func testConflicts(t *testing.T, w *world) {
	var conflicts atomic.Int32
	config := rest.CopyConfig(w.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodPatch {
				return next.RoundTrip(r)
			}
			conflicts.Add(1)
			body := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409,"message":"somebody was faster"}`
			return &http.Response{
				StatusCode: http.StatusConflict, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}, nil
		})
	})
	beaten := *w.plane
	beaten.dynamic = dynamic.NewForConfigOrDie(config)
	w.plane = &beaten
	w.run(t)
	for n := range int32(mostConflicts) {
		eventually(t, "another conflict", func(context.Context) (bool, error) { return conflicts.Load() > n, nil })
		w.keeper.Wake()
	}
	w.untilReported(t, "write the ValidatingWebhookConfiguration conflicts: somebody was faster")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// These rights are enough, and are what the chart gives.
func testRights(t *testing.T, w *world) {
	name, namespace := w.options.Name, w.options.Namespace
	user := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
	kinds := []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"}
	meta, group := metav1.ObjectMeta{Name: name}, []string{admissionregistrationv1.GroupName}
	rbac := w.client.RbacV1()
	_, all := rbac.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"create"}, APIGroups: group, Resources: kinds},
		{
			Verbs: []string{"get", "list", "watch", "update", "patch"}, APIGroups: group, Resources: kinds,
			ResourceNames: []string{name, name + policiesSuffix},
		},
	}}, metav1.CreateOptions{})
	_, own := rbac.Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"create"}, APIGroups: []string{leases().Group}, Resources: []string{leases().Resource}},
	}}, metav1.CreateOptions{})
	_, bindCluster := rbac.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
	}, metav1.CreateOptions{})
	_, bindOwn := rbac.RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	}, metav1.CreateOptions{})
	if err := errors.Join(all, own, bindCluster, bindOwn); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(w.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: w.options.user()}
	unprivileged := *w.plane
	unprivileged.dynamic = dynamic.NewForConfigOrDie(config)
	w.plane = &unprivileged
	if err := w.place(Validate).client(w.dynamic).Delete(t.Context(), "any", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("it may do more than it must: %v", err)
	}
	w.run(t)
	w.until(t, "Fail", fails)
	w.plane = clients(t, w.Cluster) // from here on somebody else acts
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"add","path":"/webhooks/0/matchConditions/-","value":{"name":"never","expression":"false"}}]`)
	w.until(t, "another's condition goes", func(hook *admissionregistrationv1.MutatingWebhook) bool { return len(hook.MatchConditions) == 3 })
	if _, err := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), name, types.MergePatchType,
		[]byte(`{"webhooks":[]}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the watch tells", func(ctx context.Context) (bool, error) {
		live, err := w.place(Mutate).get(ctx, w.dynamic)
		return err == nil && len(live.Webhooks) > 0, err
	})
}

// Who has read what is no more so must not write.
func testFence(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	at := w.place(Validate)
	stale, err := at.get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	if err := Lock(t.Context(), w.dynamic, w.options.Name); err != nil { // changes nothing
		t.Fatal(err)
	}
	w.patch(t, at, types.MergePatchType, `{"metadata":{"labels":{"changed":"yes"}}}`)
	objects, err := Plan(nil, w.options).objects()
	if err != nil {
		t.Fatal(err)
	}
	if err := at.apply(t.Context(), w.dynamic, objects[0], stale); !apierrors.IsConflict(err) {
		t.Errorf("a write after another's: %v", err)
	}
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) {
		t.Errorf("the write did something: %+v, %v", hook, err)
	}
}
