package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// world is a cluster as rotation sees it: the Secrets, the bundle by which the API server calls, the replicas, and two clocks.
type world struct {
	t     require
	store client.WithWatch
	write func(client.Object) (before, after error) // what goes wrong with a write; nil: nothing
	wall  *clock
	tick  time.Time // moves on with the time that passes, and never jumps

	published []byte
	replaced  []seen // bundles that were published before, with the moment at which they were no longer
	mute      error  // why nobody can say what is published
	replicas  []*Secret
}

type seen struct {
	bundle []byte
	until  time.Time
}

type require interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

func newWorld(t require) *world {
	w := &world{t: t, wall: newClock(), tick: time.Unix(0, 0)}
	faulty := func(object client.Object, write func() error) error {
		var before, after error
		if w.write != nil {
			before, after = w.write(object)
		}
		if before != nil {
			return before
		}
		return errors.Join(write(), after)
	}
	w.store = fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return faulty(o.(client.Object), func() error { return c.Apply(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return faulty(o, func() error { return c.Update(ctx, o, opts...) })
		},
	}).Build()
	for range 3 {
		w.replicas = append(w.replicas, NewSecret(SecretOptions{Namespace: namespace, Name: tlsSecret, Now: w.wall.Now}))
	}
	return w
}

func (w *world) rotation(opts ...func(*RotationOptions)) *Rotation {
	w.t.Helper()
	o := RotationOptions{
		Client: w.store, Namespace: namespace, Name: "portcullis", DNSNames: []string{dnsName}, Now: w.wall.Now,
		Published: func(context.Context) ([]byte, error) { return w.published, w.mute },
	}
	for _, opt := range opts {
		opt(&o)
	}
	r, err := NewRotation(o)
	if err != nil {
		w.t.Fatal(err)
	}
	r.tick = func() time.Time { return w.tick }
	return r
}

func (w *world) pass(d time.Duration) {
	w.wall.Add(d)
	w.tick = w.tick.Add(d)
}

func (w *world) publish(r *Rotation) {
	if bundle := r.CABundle(); bundle != nil && !bytes.Equal(bundle, w.published) {
		w.replaced = append(w.replaced, seen{w.published, w.tick})
		w.published = bundle
	}
}

func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	var secret corev1.Secret
	err := w.store.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return &secret
}

func (w *world) replicate(i int) { w.replicas[i].look(w.secret(tlsSecret)) }

// refused says which replica a caller would refuse now, whichever bundle it has heard of lately.
func (w *world) refused() string {
	views := [][]byte{w.published}
	for _, old := range w.replaced {
		if w.tick.Sub(old.until) < dwellAsked {
			views = append(views, old.bundle)
		}
	}
	for i, replica := range w.replicas {
		cert, err := replica.GetCertificate(nil)
		if err != nil {
			continue // shows nothing
		}
		for _, view := range views {
			if !trusts(view, cert.Leaf, w.wall.Now()) {
				return "replica " + string(rune('0'+i)) + " shows a leaf of " + cert.Leaf.Issuer.CommonName
			}
		}
	}
	return ""
}

func trusts(bundle []byte, leaf *x509.Certificate, now time.Time) bool {
	cas, err := parseCertificates("the bundle", bundle)
	if err != nil {
		return false
	}
	for _, ca := range cas {
		if now.Before(ca.NotAfter) && leaf.CheckSignatureFrom(ca) == nil {
			return true
		}
	}
	return false
}

// settle lets r and everybody else do their work, and fails unless all is well before long.
func (w *world) settle(r *Rotation) {
	w.t.Helper()
	var step Step
	for range 60 {
		var err error
		if step, err = r.once(context.Background()); err != nil && !apierrors.IsConflict(err) {
			w.t.Fatalf("%s: %v", step, err)
		}
		w.publish(r)
		for i := range w.replicas {
			w.replicate(i)
		}
		if step == Rest && bytes.Equal(w.published, w.replicas[0].CABundle()) {
			break
		}
		w.pass(time.Second)
	}
	if step != Rest {
		w.t.Fatalf("after a minute it is at %s", step)
	}
	w.pass(dwellAsked)
	for i, replica := range w.replicas {
		if cert, err := replica.GetCertificate(nil); err != nil {
			w.t.Fatal(err)
		} else if !trusts(w.published, cert.Leaf, w.wall.Now()) || !valid(cert.Leaf, w.wall.Now()) {
			w.t.Fatalf("replica %d is refused", i)
		}
	}
}

func (w *world) authorities() int {
	return bytes.Count(w.secret(tlsSecret).Data[authorityFile], []byte("BEGIN CERTIFICATE"))
}
