package replicas

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The lead is lost when the Lease has not been renewed for too long, and as soon as somebody else is seen to hold it. Before it is had it
// cannot be lost.
func TestHeld(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, h, other *held)
		lost bool
	}{
		{"another holds it first", func(t *testing.T, h, other *held) {
			write(t, other.Create, "b")
			read(t, h)
		}, false},
		{"renewed", func(t *testing.T, h, _ *held) {
			write(t, h.Create, "a")
			for range 10 {
				time.Sleep(11 * time.Second)
				write(t, h.Update, "a")
				read(t, h)
			}
		}, false},
		{"not renewed", func(t *testing.T, h, _ *held) {
			write(t, h.Create, "a")
			time.Sleep(11 * time.Second)
			write(t, h.Update, "a")
			time.Sleep(12 * time.Second)
		}, true},
		{"another is seen", func(t *testing.T, h, other *held) {
			write(t, h.Create, "a")
			read(t, other)
			write(t, other.Update, "b")
			read(t, h)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewClientset()
				of := func(identity string) *held {
					return &held{
						LeaseLock: &resourcelock.LeaseLock{
							LeaseMeta: metav1.ObjectMeta{Namespace: "ours", Name: "portcullis-leader"}, Client: client.CoordinationV1(),
							LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
						},
						lasts: 12 * time.Second, lost: make(chan struct{}),
					}
				}
				h := of("a")
				test.do(t, h, of("b"))
				synctest.Wait()
				select {
				case <-h.lost:
					if !test.lost {
						t.Error("the lead is lost")
					}
				default:
					if test.lost {
						t.Error("the lead is not lost")
					}
				}
			})
		})
	}
}

func write(t *testing.T, to func(context.Context, resourcelock.LeaderElectionRecord) error, holder string) {
	t.Helper()
	if err := to(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: holder, LeaseDurationSeconds: 15}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, h *held) {
	t.Helper()
	if _, _, err := h.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
}
