package drills

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestUpgrade (upgrade): `helm upgrade` to other values and back, under load, and no request fails. Servers that do not drain when they are
// replaced are seen to fail; without -drills.full it is TestRestarts that shows it.
func TestUpgrade(t *testing.T) {
	w := start(t)
	load := w.load(t)
	count := rounds(1, 5)
	for range count {
		w.upgrade(t, "--set=log.level=debug,webhook.exemptNamespaces={elsewhere},webhook.timeoutSeconds.validate=4")
		until(t, "the other values count", func() bool { return w.timeout(t) == 4 })
		load.moves(t, 50)
		w.upgrade(t)
		until(t, "the first values count again", func() bool { return w.timeout(t) != 4 })
		load.moves(t, 50)
	}
	got := load.end()
	if got.failed > 0 || got.asked < 100 {
		t.Errorf("%d upgrades: %v", 2*count, got)
	}
	figure(t, "upgrade: %d times to other values, and %d times back: %v", count, count, got)

	if !*full {
		return
	}
	t.Run("control: without a drain requests fail", func(t *testing.T) {
		w.drain.Store("0s")
		defer func() {
			w.drain.Store(usualDrain)
			w.upgrade(t)
		}()
		w.upgrade(t, "--set=log.level=debug")
		load := w.flood(t)
		upgrades := 0
		for ; upgrades < 5 && load.now().failed == 0; upgrades++ {
			w.upgrade(t, fmt.Sprintf("--set=podAnnotations.upgrade=n%d", upgrades))
		}
		got := load.end()
		if got.failed == 0 {
			t.Errorf("%d upgrades of servers that do not drain, and nothing failed: the drill above proves nothing", upgrades)
		}
		figure(t, "upgrade control: %d upgrades of servers with --drain 0s: %v", upgrades, got)
	})
}

// upgrade has Helm give the release these values beside those of all drills, and returns when the old servers have gone.
func (w *world) upgrade(t *testing.T, values ...string) {
	t.Helper()
	// Other drills have changed fields of the Deployment, and changed them back.
	if err := w.helm(t.Context(), "upgrade", append(values, "--force-conflicts")...); err != nil {
		t.Fatal(err)
	}
	w.change(t, `{}`)
}

// timeout is how long the API server waits for a validation.
func (w *world) timeout(t *testing.T) int32 {
	t.Helper()
	v, err := w.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(v.Webhooks) == 0 {
		return 0
	}
	return *v.Webhooks[0].TimeoutSeconds
}
