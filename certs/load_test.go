package certs

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/util/webhook"
)

// traffic calls the replicas of a world without pause, as the API server does: with its own client, which keeps connections open for
// each bundle, and by the bundle it has heard of. One answer in ten ends its connection.
type traffic struct {
	t        *testing.T
	view     atomic.Pointer[[]byte] // the bundle callers have heard of
	urls     []string
	sent     [8]atomic.Int64
	failures atomic.Int64
	first    atomic.Pointer[error]
}

func newTraffic(t *testing.T, w *world) *traffic {
	c := &traffic{t: t}
	for _, replica := range w.replicas {
		c.urls = append(c.urls, "https://"+answer(t, replica))
	}
	manager, err := webhook.NewClientManager(
		[]schema.GroupVersion{admissionv1.SchemeGroupVersion}, admissionv1.AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	resolver, err := webhook.NewDefaultAuthenticationInfoResolver("")
	if err != nil {
		t.Fatal(err)
	}
	manager.SetAuthenticationInfoResolver(resolver)
	manager.SetServiceResolver(webhook.NewDefaultServiceResolver())
	c.hear(w.published)
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for i := range c.sent {
		callers.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				client, err := manager.HookClient(webhook.ClientConfig{Name: "test", URL: c.urls[n%len(c.urls)], CABundle: *c.view.Load()})
				if err == nil {
					err = client.Post().Body([]byte("{}")).Do(ctx).Error()
				}
				if err != nil && ctx.Err() == nil {
					c.failures.Add(1)
					c.first.CompareAndSwap(nil, &err)
				}
				c.sent[i].Add(1)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		callers.Wait()
	})
	return c
}

// flow waits until every caller has begun and ended n calls.
func (c *traffic) flow(n int64) {
	c.t.Helper()
	for i := range c.sent {
		seen := c.sent[i].Load()
		eventually(c.t, "callers were answered", func() bool { return c.sent[i].Load() > seen+n })
	}
}

func (c *traffic) hear(bundle []byte) { c.view.Store(&bundle) }

func (c *traffic) total() (n int64) {
	for i := range c.sent {
		n += c.sent[i].Load()
	}
	return n
}

// answer serves with what s shows, and returns the address.
func answer(t *testing.T, s Source) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return s.GetCertificate(hello) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var served atomic.Int64
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%10 == 0 {
			w.Header().Set("Connection", "close")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// under starts a world whose replicas are called all the time.
func under(t *testing.T) (*world, *Rotation, *traffic) {
	w := newWorld(t)
	w.wall.Add(time.Since(w.wall.Now())) // callers have the real clock
	r := w.rotation(func(o *RotationOptions) { o.IPs = []net.IP{net.IPv4(127, 0, 0, 1)} })
	w.settle(r)
	return w, r, newTraffic(t, w)
}

// TestLeafRotationUnderLoad replaces leaves while every replica is called.
func TestLeafRotationUnderLoad(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	w, r, calls := under(t)
	for range rounds {
		before := leafOf(t, w.replicas[0])
		k, err := r.read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The clock stands still, so nothing is due by itself.
		if err := r.take(t.Context(), k, state{material: k.material, bundled: true}, IssueLeaf, w.wall.Now()); err != nil {
			t.Fatal(err)
		}
		for i := range w.replicas {
			w.replicate(i)
		}
		calls.flow(1)
		if leafOf(t, w.replicas[0]).Equal(before) {
			t.Fatal("the leaf is the same")
		}
	}
	if n := calls.failures.Load(); n > 0 {
		t.Errorf("%d of %d calls failed: %v", n, calls.total(), *calls.first.Load())
	}
}

// TestAuthorityRotationUnderLoad replaces authorities while every replica is called, callers hear of a bundle only seconds after it was
// published, and the leader is another at every roll. Its control does what a rotation must not, and swaps as soon as it has published.
// `make drills` runs it with one hundred.
func TestAuthorityRotationUnderLoad(t *testing.T) {
	rolls := 10
	switch {
	case os.Getenv("DRILLS") == "full":
		rolls = 100
	case testing.Short():
		rolls = 3
	}
	for name, naive := range map[string]bool{"as it is": false, "control: without dwelling": true} {
		t.Run(name, func(t *testing.T) {
			w, r, calls := under(t)
			for range rolls {
				old := r.names
				r = w.rotation()
				r.names = old
				before := leafOf(t, w.replicas[0])
				if err := w.store.Delete(t.Context(), w.secret(caSecret)); err != nil {
					t.Fatal(err)
				}
				var heard time.Time
				for leafOf(t, w.replicas[0]).Equal(before) {
					if naive && r.Phase() == Dwell {
						k, err := r.read(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if err := r.take(t.Context(), k, state{material: k.material, bundled: true, told: true}, IssueLeaf, w.wall.Now()); err != nil {
							t.Fatal(err)
						}
					} else if _, err := r.once(t.Context()); err != nil && !apierrors.IsConflict(err) {
						t.Fatal(err)
					}
					if published := w.published; r.Phase() == PublishBoth {
						if w.publish(r); len(w.published) != len(published) {
							heard = w.tick.Add(dwellAsked - time.Second) // as late as may be
						}
					}
					for i := range w.replicas {
						w.replicate(i)
					}
					calls.flow(1)
					w.tick = w.tick.Add(3 * time.Second)
					if !heard.IsZero() && !w.tick.Before(heard) {
						calls.hear(w.published)
						calls.flow(1)
					}
				}
				calls.hear(w.published)
				calls.flow(1)
			}
			switch n := calls.failures.Load(); {
			case naive && n == 0:
				t.Error("no call failed, so the test proves nothing")
			case !naive && n > 0:
				t.Errorf("%d of %d calls failed: %v", n, calls.total(), *calls.first.Load())
			}
			t.Logf("FIGURE T2 against client-go, %s: %d rolls, %d calls, %d failed", name, rolls, calls.total(), calls.failures.Load())
		})
	}
}
