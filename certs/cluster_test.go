package certs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const (
	namespace = "portcullis"
	caSecret  = "portcullis-ca"
	tlsSecret = "portcullis-tls"
)

// TestRotationRolls walks through the life of an authority, step by step.
func TestRotationRolls(t *testing.T) {
	w := newWorld(t)
	r := w.rotation()
	expect := func(want ...Step) {
		t.Helper()
		for _, step := range want {
			got, err := r.once(t.Context())
			if err != nil || got != step || r.Phase() != step {
				t.Fatalf("it is at %s (%v), not at %s", got, err, step)
			}
		}
	}
	expect(MintCA, IssueLeaf, Rest, Rest)
	w.settle(r)
	secret := w.secret(tlsSecret)
	if secret.Type != corev1.SecretTypeTLS || secret.Data[authorityKeyFile] != nil || w.secret(caSecret).Data[authorityKeyFile] == nil {
		t.Error("the authority's key should be in its own Secret, and nowhere else")
	}
	first, bundle := leafOf(t, w.replicas[0]), w.published

	w.pass(112 * time.Hour)
	expect(IssueLeaf, Rest)
	if !bytes.Equal(w.secret(tlsSecret).Data[authorityFile], bundle) {
		t.Error("the bundle changed with the leaf")
	}
	w.settle(r)
	if leafOf(t, w.replicas[0]).Equal(first) {
		t.Error("the leaf was not renewed")
	}

	for range 60 { // days to the end of two thirds of the authority's life
		w.pass(4 * 24 * time.Hour)
		w.settle(r)
		if w.authorities() == 2 {
			break
		}
	}
	if w.authorities() != 2 || bytes.Equal(w.published, bundle) {
		t.Fatal("the authority was not replaced")
	}
	w.pass(4 * 24 * time.Hour)
	w.settle(r)
	if w.authorities() != 2 {
		t.Error("the old authority is gone before its last leaf has expired")
	}
	w.pass(4 * 24 * time.Hour)
	w.settle(r)
	if w.authorities() != 1 || bytes.Count(w.secret(caSecret).Data[authorityKeyFile], []byte("BEGIN")) != 1 {
		t.Error("the old authority stays, or its key")
	}
}

// TestRotationWaits: no leaf of the new authority before the API server was told of both and has heard.
func TestRotationWaits(t *testing.T) {
	w := newWorld(t)
	lag := 3 * time.Second
	r := w.rotation(func(o *RotationOptions) { o.Lag = func() time.Duration { return lag } })
	expect := func(want Step, problem string) {
		t.Helper()
		got, err := r.once(t.Context())
		if text := ""; err != nil {
			text = err.Error()
			if text != problem {
				t.Fatal(err)
			}
		}
		if got != want || (err == nil) != (problem == "") {
			t.Fatalf("it is at %s (%v), not at %s", got, err, want)
		}
	}
	w.settle(r)
	if err := w.store.Delete(t.Context(), w.secret(caSecret)); err != nil { // how to have an authority replaced
		t.Fatal(err)
	}
	expect(MintCA, "")
	expect(PublishBoth, "")
	expect(PublishBoth, "")
	w.mute = errors.New("the API server is away")
	expect(PublishBoth, "asking which authorities the API server was told of: the API server is away")
	w.mute = nil
	w.publish(r)
	expect(Dwell, "")
	w.pass(dwellAsked - 1)
	expect(Dwell, "")
	w.wall.Add(8 * time.Hour) // a clock that is set ahead has told nobody anything
	expect(Dwell, "")
	lag = 6 * time.Second
	w.pass(time.Second)
	expect(Dwell, "")
	r = w.rotation(func(o *RotationOptions) { o.Lag = func() time.Duration { return lag } }) // a crash, and another leader
	expect(Dwell, "")
	w.pass(12*time.Second - 1)
	expect(Dwell, "")
	told := w.published
	w.published = nil // somebody stomps on the configurations
	expect(PublishBoth, "")
	w.published = told
	expect(Dwell, "")
	w.pass(12 * time.Second)
	expect(IssueLeaf, "")
	expect(Rest, "")
}

// TestRotationWithoutAsking waits an hour where nobody says what callers know.
func TestRotationWithoutAsking(t *testing.T) {
	w := newWorld(t)
	r := w.rotation(func(o *RotationOptions) { o.Published = nil })
	for _, c := range []struct {
		lose bool
		pass time.Duration
		want Step
	}{
		{want: MintCA},
		{want: IssueLeaf},
		{want: Rest},
		{lose: true, want: MintCA},
		{want: PublishBoth},
		{want: Dwell},
		{pass: time.Hour - 1, want: Dwell},
		{pass: 1, want: IssueLeaf},
		{want: Rest},
	} {
		if c.lose {
			if err := w.store.Delete(t.Context(), w.secret(caSecret)); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(c.pass)
		if got, err := r.once(t.Context()); err != nil || got != c.want {
			t.Fatalf("it is at %s (%v), not at %s", got, err, c.want)
		}
	}
}

// Who leads again says nothing of authorities before it has read what became of them while another led.
func TestRotationForgetsWhenItStarts(t *testing.T) {
	w := newWorld(t)
	first, second := w.rotation(), w.rotation()
	w.settle(first)
	if first.CABundle() == nil {
		t.Fatal("it never knew any")
	}
	if err := w.store.Delete(t.Context(), w.secret(caSecret)); err != nil {
		t.Fatal(err)
	}
	w.settle(second)
	first.opts.Client = interceptor.NewClient(w.store, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errors.New("the API server is away")
		},
	})
	ended, end := context.WithCancel(t.Context())
	end()
	if err := first.Start(ended); err != nil {
		t.Fatal(err)
	}
	if bundle := first.CABundle(); bundle != nil {
		t.Errorf("it still says what it knew when it led before:\n%s", bundle)
	}
}

func TestRotationNeedsAName(t *testing.T) {
	_, err := NewRotation(RotationOptions{})
	if err == nil || err.Error() != "certificate rotation: there is no DNS name and no IP address to certify" {
		t.Error(err)
	}
}
