package certs

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestRotationRecovers: whatever is lost, broken or expired is made anew, without asking.
func TestRotationRecovers(t *testing.T) {
	const anew = "what is kept of the certificates cannot be used, and is made anew"
	edit := func(name string, do func(*corev1.Secret)) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			secret := w.secret(name)
			do(secret)
			if err := w.store.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
		}
	}
	lose := func(names ...string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			for _, name := range names {
				if err := w.store.Delete(t.Context(), w.secret(name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	pass := func(days int) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) { w.pass(time.Duration(days) * 24 * time.Hour) }
	}
	for name, c := range map[string]struct {
		do   func(*testing.T, *world)
		down bool // there is a moment at which callers refuse us
		log  string
	}{
		"the leaf expired": {do: pass(8)},
		"everything expired": {
			pass(400), true,
			`level=WARN msg="every authority had expired, so a new one is used at once; callers refuse the server until they are told of it"`,
		},
		"the clock was a year ahead":      {do: pass(-400), down: true, log: "every authority had expired"},
		"the pair is gone":                {do: lose(tlsSecret)},
		"the authorities are gone":        {do: lose(caSecret)},
		"both are gone":                   {do: lose(caSecret, tlsSecret), down: true},
		"the authorities are no PEM":      {edit(caSecret, func(s *corev1.Secret) { s.Data[authorityFile] = []byte("canary") }), false, anew},
		"the authorities' key is no PEM":  {edit(caSecret, func(s *corev1.Secret) { s.Data[authorityKeyFile] = []byte("canary") }), false, anew},
		"the authorities' key is another": {do: edit(caSecret, func(s *corev1.Secret) { s.Data[authorityKeyFile] = issued(t, time.Now()).key })},
		"the authorities are of a backup": {do: edit(caSecret, func(s *corev1.Secret) {
			other := newWorld(t)
			other.settle(other.rotation())
			s.Data = other.secret(caSecret).Data
		})},
		"the leaf is no PEM":       {edit(tlsSecret, func(s *corev1.Secret) { s.Data[certificateFile] = []byte("canary") }), false, anew},
		"the leaf's key is no PEM": {edit(tlsSecret, func(s *corev1.Secret) { s.Data[keyFile] = []byte("canary") }), false, anew},
		"the leaf's key is another": {
			edit(tlsSecret, func(s *corev1.Secret) { s.Data[keyFile] = issued(t, time.Now()).key }), false,
			`error="tls.key of Secret portcullis/portcullis-tls is not the private key of tls.crt"`,
		},
		"another's leaf": {
			edit(tlsSecret, func(s *corev1.Secret) {
				other := issued(t, time.Now())
				s.Data[certificateFile], s.Data[keyFile] = other.cert, other.key
			}), false,
			`error="no authority that is known has signed tls.crt of Secret portcullis/portcullis-tls"`,
		},
		"the bundle is no PEM": {edit(tlsSecret, func(s *corev1.Secret) { s.Data[authorityFile] = []byte("canary") }), false, anew},
		"the bundle is empty":  {edit(tlsSecret, func(s *corev1.Secret) { s.Data[authorityFile] = nil }), false, anew},
		"the annotation is no time": {do: edit(tlsSecret, func(s *corev1.Secret) {
			s.Annotations = map[string]string{oldUntil: "canary"}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.settle(w.rotation())
			c.do(t, w)
			var log logged
			r := w.rotation(func(o *RotationOptions) { o.Log = log.logger() })
			for range 10 {
				if _, err := r.once(t.Context()); err != nil {
					t.Fatal(err)
				}
				for i := range w.replicas {
					w.replicate(i)
				}
				if refused := w.refused(); refused != "" && !c.down {
					t.Fatal(refused)
				}
			}
			w.settle(r)
			if !strings.Contains(log.String(), c.log) || strings.Contains(log.String(), "canary") || strings.Count(log.String(), anew) > 1 {
				t.Error(log.String())
			}
		})
	}
}

// TestRotationLeavesOthersAlone: what somebody else has made is not overwritten.
func TestRotationLeavesOthersAlone(t *testing.T) {
	for _, name := range []string{caSecret, tlsSecret} {
		w := newWorld(t)
		foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		if err := w.store.Create(t.Context(), foreign); err != nil {
			t.Fatal(err)
		}
		_, err := w.rotation().once(t.Context())
		want := "Secret portcullis/" + name + " was not made by Portcullis and is left alone; delete it, or run Portcullis under another name"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestRotationIsFenced: a leader that was overtaken between what it read and what it writes does not write.
func TestRotationIsFenced(t *testing.T) {
	w := newWorld(t)
	late, current := w.rotation(), w.rotation()
	overtaken := func() {
		w.write = func(client.Object) (before, after error) {
			w.write = nil
			if _, err := current.once(t.Context()); err != nil {
				t.Error(err)
			}
			return nil, nil
		}
	}
	for _, step := range []Step{MintCA, IssueLeaf, IssueLeaf} { // both create, then update
		if step == IssueLeaf && w.secret(tlsSecret) != nil {
			w.pass(112 * time.Hour)
		}
		overtaken()
		got, err := late.once(t.Context())
		if got != step || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			t.Errorf("%s was written over another's: %v", got, err)
		}
	}
	w.pass(244 * 24 * time.Hour)
	w.settle(current)
	if n := w.authorities(); n != 2 {
		t.Fatal(n)
	}
	w.pass(8 * 24 * time.Hour) // now the other one retires what is old
	if _, err := current.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	overtaken()
	if got, err := late.once(t.Context()); got != RetireOldCA || !apierrors.IsConflict(err) {
		t.Errorf("%s was written over another's: %v", got, err)
	}
}

// TestRotationLostMeanwhile: the authorities' Secret is lost while one replica has not heard of the new leaf, and shows the old.
func TestRotationLostMeanwhile(t *testing.T) {
	w := newWorld(t)
	r := w.rotation()
	w.settle(r)
	lose := func() {
		if err := w.store.Delete(t.Context(), w.secret(caSecret)); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	for range 20 {
		if _, err := r.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.publish(r)
		w.pass(time.Second)
	}
	if r.Phase() != Rest || w.authorities() != 2 {
		t.Fatal(r.Phase())
	}
	lose()
	for range 20 {
		if _, err := r.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.publish(r)
		w.pass(time.Second)
		if refused := w.refused(); refused != "" {
			t.Fatal(refused)
		}
	}
}
