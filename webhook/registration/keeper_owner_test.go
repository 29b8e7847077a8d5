package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// While it cannot be told whose they are, the configurations stay whose they were, and none is made that would be nobody's.
func testWhose(t *testing.T, w *world) {
	role, err := w.client.RbacV1().ClusterRoles().Create(t.Context(),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	unknown := errors.New("the cluster does not say")
	var known, none atomic.Bool
	w.owner = func(context.Context) (*metav1.OwnerReference, error) {
		switch {
		case none.Load():
			return nil, nil
		case !known.Load():
			return nil, unknown
		}
		return &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	}
	w.run(t)
	eventually(t, "it is told why nothing is made", func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		const want = "the ValidatingWebhookConfiguration whose is not made, because it is not known with what it vanishes: the cluster does not say"
		return w.standing.Err != nil && w.standing.Err.Error() == want, nil
	})
	if live, err := w.place(Validate).get(t.Context(), w.dynamic); live != nil || err != nil {
		t.Errorf("a configuration is made that is nobody's: %v", err)
	}
	known.Store(true)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	w.stop()
	known.Store(false)
	w.wanted = asking{[]Interest{w.interest("secrets")}, "r2"}
	w.run(t) // the next leader, which is not told either
	w.until(t, "what policies want now", asksAbout("secrets"))
	owned := func() {
		t.Helper()
		for _, p := range places(w.options.Name) {
			live, err := p.get(t.Context(), w.dynamic)
			if err != nil || len(live.OwnerReferences) != 1 || live.OwnerReferences[0].UID != role.UID {
				t.Errorf("the %s is nobody's any more: %+v, %v", p, live.OwnerReferences, err)
			}
		}
	}
	owned()
	w.stop()
	none.Store(true)
	w.wanted = asking{[]Interest{w.interest("pods")}, "r3"}
	w.run(t) // one that is told of no owner, as when it may not read it
	w.until(t, "what policies want then", asksAbout("pods"))
	w.untilAsked(t, map[string]string{"names": "r3"})
	owned()
}

// What nobody would take away when the release has gone refuses nothing for want of an answer, until it has an owner.
func testOwnerless(t *testing.T, w *world) {
	role, err := w.client.RbacV1().ClusterRoles().Create(t.Context(),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var known atomic.Bool
	w.owner = func(context.Context) (*metav1.OwnerReference, error) {
		if !known.Load() {
			return nil, fmt.Errorf("%w: restore it", ErrOwnerless)
		}
		return &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	}
	w.run(t)
	w.untilReported(t, "what is registered does not vanish with anything, so nothing may be refused for want of an answer: restore it")
	w.untilJudged(t)
	if hook, err := w.enforce(t.Context()); err != nil || hook == nil || fails(hook) {
		t.Errorf("what is nobody's is registered as %+v, %v", hook, err)
	}
	known.Store(true)
	w.keeper.Wake()
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})
	known.Store(false)
	w.set(func() { w.wanted = asking{[]Interest{w.interest("secrets")}, "r2"} })
	w.until(t, "what is owned stays Fail", asksAbout("secrets"))
}

func testUnlock(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilJudged(t)
	open, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Hour, "the registry is down", "alice", time.Now())
	if err != nil || open.By != "alice" || open.Reason != "the registry is down" || time.Until(open.Until) > time.Hour {
		t.Fatalf("unlocked %+v: %v", open, err)
	}
	passes := func(ctx context.Context) (bool, error) { return w.pod(ctx, w.options.Name, "bad") == nil, nil }
	eventually(t, "a bad Pod passes", passes)
	eventually(t, "the metric", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.unlocked) == 1, nil })

	// Who puts a webhook back, or takes one of the configurations away, changes nothing.
	plan := Plan(w.wanted.Interests, w.options)
	plan.Validating.Name = w.options.Name
	objects, err := plan.objects()
	if err != nil {
		t.Fatal(err)
	}
	live, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.place(Validate).apply(t.Context(), w.dynamic, objects[0], live); err != nil {
		t.Fatal(err)
	}
	w.until(t, "no webhooks", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
	if bundle, err := w.keeper.Published(t.Context()); err != nil || bundle != nil {
		t.Errorf("published while unlocked: %q, %v", bundle, err)
	}

	w.set(func() { w.clockAdds = 59 * time.Minute })
	for range 10 { // a Keeper that does not wait would have put the webhooks back
		w.keeper.Wake()
		eventually(t, "a look", func(context.Context) (bool, error) { return len(w.keeper.wake) == 0, nil })
		if hook, err := w.enforce(t.Context()); err != nil || hook != nil {
			t.Fatalf("a minute too early there is %+v, %v", hook, err)
		}
	}
	w.server.broken.Store(true)
	w.set(func() { w.clockAdds = 61 * time.Minute })
	w.until(t, "Ignore", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook != nil && !fails(hook) })
	w.server.broken.Store(false)
	w.keeper.Wake()
	w.until(t, "Fail again", fails)
	w.untilJudged(t)
	if n := testutil.ToFloat64(w.metrics.unlocked); n != 0 {
		t.Errorf("locked again, and the metric is %v", n)
	}
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("an unlock is no drift, but counted %v times", n)
	}

	// By the Keeper's clock this is over; it may be ahead.
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, 2*time.Hour, "again", "bob", time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bad Pod passes again", passes)
	if err := Lock(t.Context(), w.dynamic, w.options.Name); err != nil {
		t.Fatal(err)
	}
	w.untilJudged(t)

	// With nothing but the API server.
	w.stop()
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Minute, "nobody is running", "carol", time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a bad Pod passes while nobody is running", passes)
}

// An unlocking does not end because what says so vanishes with its owner, and be it that somebody else leads meanwhile; only who locks ends it.
func testUnlockedWithoutOwner(t *testing.T, w *world) {
	roles := w.client.RbacV1().ClusterRoles()
	made := func() {
		t.Helper()
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}
		if _, err := roles.Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	made()
	w.owner = func(ctx context.Context) (*metav1.OwnerReference, error) {
		role, err := roles.Get(ctx, w.options.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return &metav1.OwnerReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}, nil
	}
	w.lease = "leader"
	if _, err := w.client.CoordinationV1().Leases(w.options.Namespace).Create(t.Context(),
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: w.lease}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	says := func(t *testing.T, until string) {
		t.Helper()
		for _, p := range places(w.options.Name) {
			eventually(t, "the "+p.String()+" says so", func(ctx context.Context) (bool, error) {
				live, err := p.get(ctx, w.dynamic)
				return live != nil && len(live.Webhooks) == 0 && live.Annotations[UnlockedUntil] == until, err
			})
		}
	}
	w.run(t)
	w.until(t, "Fail", fails)
	open, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Hour, "the registry is down", "alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	until := open.Until.Format(time.RFC3339)
	says(t, until)
	eventually(t, "it is seen", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.unlocked) == 1, nil })
	for _, who := range []string{"the same", "another"} {
		if err := roles.Delete(t.Context(), w.options.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, p := range places(w.options.Name) {
			eventually(t, "the "+p.String()+" goes", func(ctx context.Context) (bool, error) {
				live, err := p.get(ctx, w.dynamic)
				return live == nil, err
			})
		}
		if who == "another" {
			w.stop()
			w.run(t)
		}
		made()
		says(t, until)
	}
	w.until(t, "nothing", func(hook *admissionregistrationv1.MutatingWebhook) bool { return hook == nil })
	if err := Lock(t.Context(), w.dynamic, w.options.Name); err != nil {
		t.Fatal(err)
	}
	w.untilJudged(t)
	w.stop()
	w.run(t) // and it was not kept for the next one
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"})

	// What the uninstallation has unlocked is not remembered.
	if _, err := Unlock(t.Context(), w.dynamic, w.options.Name, time.Hour, "the release goes", w.options.user(), time.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is seen", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.unlocked) == 1, nil })
	w.withdraw(t)
	w.until(t, "Fail", fails)
}

// A leader that comes next takes over what it finds, without a moment in which less is enforced.
func testNextLeader(t *testing.T, w *world) {
	w.wanted.Interests = []Interest{w.interest("pods", "secrets")}
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	before, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil {
		t.Fatal(err)
	}
	w.server.broken.Store(true) // so that no probe of the next one is answered
	w.disagree = true
	w.wanted = asking{[]Interest{w.interest("configmaps", "pods")}, "r2"}
	w.run(t)
	w.until(t, "less", asksAbout("pods"))
	after, err := w.place(Validate).get(t.Context(), w.dynamic)
	if err != nil || after.Generation != before.Generation+1 {
		t.Errorf("what was enforced changed %d times, not once: %v", after.Generation-before.Generation, err)
	}
	w.server.broken.Store(false)
	w.set(func() { w.disagree = false })
	w.until(t, "all", asksAbout("configmaps", "pods"))

	// It loses the lead; while another leads, less is registered, and that is no drift when it leads again.
	w.stop()
	w.disagree = true
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"replace","path":"/webhooks/0/rules/0/resources","value":["configmaps"]}]`)
	w.lead(t)
	w.settle(t)
	if hook, err := w.enforce(t.Context()); err != nil || !asksAbout("configmaps")(hook) {
		t.Errorf("who leads again registers what it did before: %+v, %v", hook, err)
	}
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("what another leader did is counted as drift %v times", n)
	}
}

// While one authority takes over from another both are published, and what is enforced stays so.
func testAuthorities(t *testing.T, w *world) {
	w.run(t)
	w.until(t, "Fail", fails)
	w.untilAsked(t, map[string]string{"names": "r1"}) // the probes of what is Fail were answered, too
	other := stranger(t)
	// What is written is not published before the API server was seen to go by it.
	w.server.broken.Store(true)
	count := func(result string) float64 { return testutil.ToFloat64(w.metrics.probes.WithLabelValues(result)) }
	answered, unanswered := count(probeAnswered), count(probeUnanswered)
	w.set(func() { w.bundle = append(slices.Clone(w.server.ca), other...) })
	both := bundle(append(slices.Clone(other), w.server.ca...))
	w.until(t, "both authorities", func(hook *admissionregistrationv1.MutatingWebhook) bool {
		return slices.Equal(hook.ClientConfig.CABundle, both)
	})
	eventually(t, "an unanswered probe", func(context.Context) (bool, error) {
		return count(probeUnanswered) > unanswered, nil
	})
	if published, err := w.keeper.Published(t.Context()); err != nil || published != nil {
		t.Errorf("published before it was seen: %q, %v", published, err)
	}
	w.server.broken.Store(false)
	w.keeper.Wake()
	eventually(t, "both authorities", func(ctx context.Context) (bool, error) {
		if hook, err := w.enforce(ctx); err != nil || !fails(hook) {
			t.Errorf("while authorities change the webhook is %+v, %v", hook, err)
		}
		published, err := w.keeper.Published(ctx)
		return slices.Equal(published, both), err
	})
	eventually(t, "a probe with both", func(context.Context) (bool, error) {
		return count(probeAnswered) == answered+2, nil
	})
	// What only some webhooks publish is not published.
	w.stop()
	w.patch(t, w.place(""), types.JSONPatchType, `[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`)
	if published, err := w.keeper.Published(t.Context()); err != nil || published != nil {
		t.Errorf("published %q, %v", published, err)
	}
	// No authority yet: nothing is made worse.
	w.bundle, w.noBundle = nil, true
	w.run(t)
	eventually(t, "a failure", func(context.Context) (bool, error) { return testutil.ToFloat64(w.metrics.failures) > 0, nil })
	if hook, err := w.enforce(t.Context()); err != nil || !fails(hook) || len(hook.ClientConfig.CABundle) == 0 {
		t.Errorf("without an authority the webhook is %+v, %v", hook, err)
	}
	// None is needed: what is registered is kept true all the same.
	w.set(func() { w.noBundle, w.wanted = false, asking{[]Interest{w.interest("secrets")}, "r2"} })
	w.until(t, "secrets", asksAbout("secrets"))
}

// Where somebody else fills in the authorities, they are left to him.
func testInjected(t *testing.T, w *world) {
	w.injected = true
	w.run(t)
	inject := func() {
		for _, p := range places(w.options.Name) {
			eventually(t, "the "+p.String(), func(ctx context.Context) (bool, error) {
				live, err := p.get(ctx, w.dynamic)
				if err != nil || live == nil {
					return false, err
				}
				for n := range live.Webhooks {
					live.Webhooks[n].ClientConfig.CABundle = w.server.ca
				}
				_, err = overwrite(ctx, p, w, live)
				return err == nil, nil // a conflict is tried again
			})
		}
	}
	inject()
	w.until(t, "Fail", fails)
	w.untilJudged(t)
	if n := testutil.ToFloat64(w.metrics.drift.WithLabelValues("validating")); n != 0 {
		t.Errorf("what the injector does is counted as drift, %v times", n)
	}
	w.patch(t, w.place(Validate), types.JSONPatchType, `[{"op":"add","path":"/webhooks/0/matchConditions/-","value":{"name":"never","expression":"false"}}]`)
	eventually(t, "another's condition goes, the authorities stay", func(ctx context.Context) (bool, error) {
		hook, err := w.enforce(ctx)
		return fails(hook) && len(hook.MatchConditions) == 3 && slices.Equal(hook.ClientConfig.CABundle, w.server.ca), err
	})
}

// The configurations vanish with the release.
func testOwner(t *testing.T, w *world) {
	role, err := w.client.RbacV1().ClusterRoles().Create(t.Context(),
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: w.options.Name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.options.Owner = &metav1.OwnerReference{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID,
	}
	w.run(t)
	w.until(t, "Fail", fails)
	w.stop()
	if err := w.client.RbacV1().ClusterRoles().Delete(t.Context(), role.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range places(w.options.Name) {
		eventually(t, "the "+p.String()+" goes", func(ctx context.Context) (bool, error) {
			live, err := p.get(ctx, w.dynamic)
			return live == nil, err
		})
	}
}
