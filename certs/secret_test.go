package certs

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func secretOf(c contents) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: tlsSecret},
		Data:       map[string][]byte{certificateFile: c.cert, keyFile: c.key, authorityFile: c.ca},
	}
}

// A start waits for its first certificate, which is no fault: it is one when there was a certificate, or when what is there is no pair.
func TestSecretWaitsForTheFirst(t *testing.T) {
	var log logged
	s := NewSecret(SecretOptions{Namespace: namespace, Name: tlsSecret, Now: newClock().Now, Log: log.logger()})
	s.look(nil)
	s.look(nil)
	const waiting = `level=INFO msg="there is no certificate yet; waiting for it" for="Secret portcullis/portcullis-tls"`
	if strings.Count(log.String(), "level=") != 1 || !strings.Contains(log.String(), waiting) || s.Ready() {
		t.Error(log.String())
	}
	if err := s.Err(); err == nil || err.Error() != "Secret portcullis/portcullis-tls does not exist" {
		t.Error(err)
	}
	s.look(&corev1.Secret{})
	if strings.Count(log.String(), "level=ERROR") != 1 {
		t.Error(log.String())
	}
	s.look(secretOf(issued(t, newClock().Now())))
	s.look(nil)
	if strings.Count(log.String(), "level=ERROR") != 2 || !s.Ready() {
		t.Error(log.String())
	}
}

// TestSecretKeepsTheLastGood breaks a Secret somebody else fills in every way, and repairs it again.
func TestSecretKeepsTheLastGood(t *testing.T) {
	now := newClock().Now()
	const name = "Secret portcullis/portcullis-tls"
	for what, c := range map[string]struct {
		broken func(c *contents) *corev1.Secret
		want   string
	}{
		"it is gone":     {func(*contents) *corev1.Secret { return nil }, name + " does not exist"},
		"no certificate": {func(c *contents) *corev1.Secret { c.cert = nil; return secretOf(*c) }, "tls.crt of " + name + " is missing"},
		"no PEM": {
			func(c *contents) *corev1.Secret { c.cert = []byte("canary"); return secretOf(*c) },
			"tls.crt of " + name + " holds no certificate in PEM form",
		},
		"another's key": {
			func(c *contents) *corev1.Secret { c.key = issued(t, now).key; return secretOf(*c) },
			"tls.key of " + name + " is not the private key of tls.crt of " + name,
		},
		"another's authority": {
			func(c *contents) *corev1.Secret { c.ca = issued(t, now).ca; return secretOf(*c) },
			"no certificate of ca.crt of " + name + " vouches for tls.crt of " + name + ": x509: certificate signed by unknown authority",
		},
		"expired": {
			func(*contents) *corev1.Secret { return secretOf(issued(t, now.Add(-8*24*time.Hour))) },
			"tls.crt of " + name + " expired at 2026-02-28T12:00:00Z",
		},
	} {
		t.Run(what, func(t *testing.T) {
			var log logged
			s := NewSecret(SecretOptions{Namespace: namespace, Name: tlsSecret, Now: newClock().Now, Log: log.logger()})
			if _, err := s.GetCertificate(nil); err == nil || err.Error() != name+" was not read yet" || s.Ready() {
				t.Error(err)
			}
			good := issued(t, now)
			s.look(secretOf(good))
			leaf := leafOf(t, s)
			if !bytes.Equal(s.CABundle(), good.ca) || !s.NotAfter().Equal(leaf.NotAfter) || s.AuthorityNotAfter().Sub(now) != caLife {
				t.Error("the bundle is another, or when what expires")
			}
			broken := issued(t, now)
			for range 2 {
				s.look(c.broken(&broken))
			}
			if err := s.Err(); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if !s.Ready() || leafOf(t, s) != leaf || !bytes.Equal(s.CABundle(), good.ca) {
				t.Error("the last good pair is not served on")
			}
			if strings.Contains(log.String(), "canary") || strings.Count(log.String(), "level=ERROR") != 1 {
				t.Error(log.String())
			}
			s.look(secretOf(issued(t, now)))
			if s.Err() != nil || leafOf(t, s) == leaf {
				t.Errorf("it did not take the repaired pair: %v", s.Err())
			}
		})
	}
}

// TestSecretFollows: lists and watches fail, watches end or fall silent, and a pair becomes valid as time goes by.
func TestSecretFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		store := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if away.Load() {
					return errors.New("the API server is away")
				}
				// The fake has no index for the selector. It is held to it at a real API server.
				return c.List(ctx, list, client.InNamespace(namespace))
			},
			Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, _ ...client.ListOption) (apiwatch.Interface, error) {
				if away.Load() {
					return nil, errors.New("the API server is away")
				}
				w, err := c.Watch(ctx, list, client.InNamespace(namespace))
				if err == nil {
					time.AfterFunc(watchFor, w.Stop)
				}
				return w, err
			},
		}).Build()
		s := NewSecret(SecretOptions{Client: store, Namespace: namespace, Name: tlsSecret})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Start(ctx) }()
		synctest.Wait()
		pair := func(age time.Duration) contents { return issued(t, time.Now().Add(-age)) }
		served := func(c contents) bool { synctest.Wait(); return s.Ready() && bytes.Equal(s.CABundle(), c.ca) }

		first := pair(0)
		if err := store.Create(t.Context(), secretOf(first)); err != nil {
			t.Fatal(err)
		}
		if !served(first) {
			t.Error("it did not hear of the new Secret")
		}
		early := pair(-2 * time.Hour) // by a clock that is ahead of ours
		if err := store.Update(t.Context(), secretOf(early)); err != nil {
			t.Fatal(err)
		}
		if served(early) {
			t.Error("it serves what is not valid yet")
		}
		time.Sleep(time.Hour + pollEvery)
		if !served(early) {
			t.Error("it did not find what has become valid")
		}
		away.Store(true)
		time.Sleep(watchFor + lastRetry)
		if err := s.Err(); err == nil || err.Error() != "reading Secret portcullis/portcullis-tls: the API server is away" || !s.Ready() {
			t.Error(err)
		}
		third := pair(0)
		if err := store.Update(t.Context(), secretOf(third)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		away.Store(false)
		time.Sleep(lastRetry)
		if !served(third) || s.Err() != nil {
			t.Error("it did not find its way back")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Who deletes both Secrets has new ones within seconds, of another authority, in whichever order they go.
func TestRotationLooksWhenItsSecretIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.rotation(func(o *RotationOptions) { o.Now, o.Published = time.Now, nil })
		watched := interceptor.NewClient(w.store, interceptor.Funcs{ // the fake has no index for the selector
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
				return c.List(ctx, list, client.InNamespace(namespace))
			},
			Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, _ ...client.ListOption) (apiwatch.Interface, error) {
				all, err := c.Watch(ctx, list, client.InNamespace(namespace))
				if err != nil {
					return nil, err
				}
				return apiwatch.Filter(all, func(e apiwatch.Event) (apiwatch.Event, bool) { return e, e.Object.(*corev1.Secret).Name == tlsSecret }), nil
			},
		})
		follower := NewSecret(SecretOptions{Client: watched, Namespace: namespace, Name: tlsSecret, Gone: r.Wake})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Start(ctx) }()
		go func() { done <- follower.Start(ctx) }()
		time.Sleep(70 * time.Second) // it has just looked
		before := w.secret(tlsSecret).Data[authorityFile]
		for _, name := range []string{tlsSecret, caSecret} {
			if err := w.store.Delete(t.Context(), w.secret(name)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		for _, name := range []string{tlsSecret, caSecret} {
			if s := w.secret(name); s == nil || bytes.Equal(s.Data[authorityFile], before) {
				t.Errorf("after five seconds the Secret %s is %v", name, s)
			}
		}
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRotationStart lives through the suspension of its machine and an API server that is away past the leaf's end.
func TestRotationStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		var away atomic.Bool
		var attempts atomic.Int64
		w.write = func(client.Object) (before, after error) {
			if away.Load() {
				attempts.Add(1)
				return errors.New("the API server is away"), nil
			}
			return nil, nil
		}
		r := w.rotation(func(o *RotationOptions) { o.Now, o.Published = now, nil })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Start(ctx) }()
		leaf := func() string { return string(w.secret(tlsSecret).Data[certificateFile]) }
		time.Sleep(112*time.Hour - 7*time.Hour)
		first := leaf()
		ahead.Store(int64(8 * time.Hour))
		time.Sleep(time.Minute)
		second := leaf()
		if second == first {
			t.Error("not renewed within a minute of waking up")
		}
		away.Store(true)
		time.Sleep(6 * 24 * time.Hour)
		if n := attempts.Load(); n < 24*60 { // due for more than a day, and tried every minute at least
			t.Errorf("it was tried only %d times", n)
		}
		if leaf() != second {
			t.Error("the API server was not away")
		}
		away.Store(false)
		time.Sleep(time.Minute)
		if leaf() == second {
			t.Error("not renewed within a minute of the API server's return")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
