package drills

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bound is the least that maxStaleness may be.
const bound = 10 * time.Second

// frozen refuses Secrets while there is a ConfigMap that says so.
func frozen(pkg string, staleness time.Duration) string {
	return fmt.Sprintf(`# METADATA
# custom:
#   portcullis:
#     match: {resources: [secrets], namespaces: [early]}
#     data: [configmaps]
#     maxStaleness: %s
package %s

deny contains "frozen" if data.kubernetes.configmaps.early.frozen
`, staleness, pkg)
}

// TestStale (F20): a server hears nothing of the cluster any more, and does not know it. Once what it knows is older than a policy takes, every
// decision of that policy is a fault, which refuses; what it had missed counts as soon as it hears again. A policy that takes older
// knowledge, and admits what it would refuse, is the control.
func TestStale(t *testing.T) {
	w := start(t)
	through := newSluice(t, strings.TrimPrefix(w.config.Host, "https://"))
	through.open()
	server := w.lone(t, through.address, frozen("strict", bound), frozen("lenient", time.Hour))
	caller := server.caller(t)
	freeze := func() {
		if _, err := w.client.CoreV1().ConfigMaps("early").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "frozen"}},
			metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	thaw := func() error {
		return w.client.CoreV1().ConfigMaps("early").Delete(context.WithoutCancel(t.Context()), "frozen", metav1.DeleteOptions{})
	}
	t.Cleanup(func() {
		if err := thaw(); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	freeze()
	w.registerLone(t, server.address, server.authority(t))
	until(t, "both policies refuse", func() bool {
		err := w.secret(t.Context())
		return err != nil && strings.Contains(err.Error(), "strict: frozen") && strings.Contains(err.Error(), "lenient: frozen")
	})
	if err := thaw(); err != nil {
		t.Fatal(err)
	}
	until(t, "both policies admit", func() bool { return w.secret(t.Context()) == nil })

	again := through.shut()
	silent := time.Now()
	freeze()
	if err := w.secret(t.Context()); err != nil && !strings.Contains(err.Error(), "strict: ") {
		t.Errorf("what is not heard of yet counts: %v", err)
	}
	time.Sleep(time.Until(silent.Add(bound + time.Second)))
	count := rounds(20, 1000)
	for n := range count {
		err := w.secret(t.Context())
		if err == nil || !strings.Contains(err.Error(), "what is known of configmaps is ") || !strings.Contains(err.Error(), "and the policy takes no more than 10s") {
			t.Fatalf("request %d, after %v without news: %v", n, time.Since(silent), err)
		}
		if strings.Contains(err.Error(), "lenient: ") {
			t.Fatalf("control: the server has heard of what it cannot have heard of: %v", err)
		}
	}
	figure(t, "F20: nothing heard for %v: %d decisions, each a fault of the policy that takes no more than %v, none of the one that takes an hour",
		time.Since(silent).Round(time.Second), count, bound)
	question := review(t, "Secret", "early")
	got, err := caller.ask(t.Context(), server.address, question)
	if err != nil || !strings.Contains(got.message(), "strict: ") {
		t.Errorf("called directly: %+v, %v", got, err)
	}
	again()
	until(t, "what it had missed counts", func() bool {
		err := w.secret(t.Context())
		return err != nil && strings.Contains(err.Error(), "strict: frozen") && strings.Contains(err.Error(), "lenient: frozen")
	})
}
