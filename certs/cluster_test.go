package certs

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
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

// TestRotationNeverRefused lets leaders crash between and within writes, be deposed without noticing, and replicas lag as long as they
// like, while time passes and clocks are set ahead. Whatever leaf a replica shows, every caller trusts it. Where that cannot be, since
// every authority has expired, all is well again soon, by itself.
func TestRotationNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		leaders := []*Rotation{w.rotation(), w.rotation()}
		leader := 0
		w.settle(leaders[leader])
		run := func(r *Rotation) (recovering bool) {
			k, err := r.read(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			s, _ := r.state(context.Background(), k, w.wall.Now())
			_, known := s.signer(w.wall.Now())
			_, _ = r.once(context.Background()) // a failure is what crash draws
			return !known
		}
		crash := func() {
			kind := rapid.SampledFrom([]string{"", "", "", "", "before", "after", "overtaken"}).Draw(t, "write")
			w.write = func(client.Object) (before, after error) {
				w.write = nil
				switch kind {
				case "before":
					return errors.New("crashed before the write"), nil
				case "after":
					return nil, errors.New("crashed after the write")
				case "overtaken":
					_, _ = leaders[1-leader].once(context.Background())
				}
				return nil, nil
			}
			if kind == "before" || kind == "after" {
				defer func() { leaders[leader] = w.rotation() }()
			}
		}
		draw := func(from, to int, unit time.Duration) time.Duration {
			return time.Duration(rapid.IntRange(from, to).Draw(t, "n")) * unit
		}
		happens := []struct {
			often int // of 100 times
			what  string
			do    func()
		}{
			{30, "the leader takes a step", func() {
				crash()
				recovering := run(leaders[leader])
				w.write = nil
				if recovering {
					w.settle(leaders[leader])
				}
			}},
			{20, "a publication", func() { w.publish(leaders[leader]) }},
			{18, "seconds", func() { w.pass(draw(1, 15, time.Second)) }},
			{12, "a replica hears", func() { w.replicate(rapid.IntRange(0, 2).Draw(t, "replica")) }},
			{5, "hours", func() { w.pass(draw(1, 60, time.Hour)) }},
			{4, "the deposed takes a step", func() {
				if run(leaders[1-leader]) {
					w.settle(leaders[leader])
				}
			}},
			{3, "another leader", func() {
				leader = 1 - leader
				leaders[leader] = w.rotation()
			}},
			{4, "the authorities are lost", func() {
				if s := w.secret(caSecret); s != nil {
					if err := w.store.Delete(context.Background(), s); err != nil {
						t.Fatal(err)
					}
				}
			}},
			{1, "the authority is old", func() { w.pass(244 * 24 * time.Hour) }},
			{2, "the clock is ahead", func() { w.wall.Add(draw(1, 24, time.Hour)) }},
			{1, "the clock is put right", func() {
				w.wall.Add(-draw(1, 24, time.Hour))
				w.settle(leaders[leader]) // what had expired by the wrong clock may be shown again, by somebody who did not hear
			}},
		}
		for range 100 {
			dice := rapid.IntRange(0, 99).Draw(t, "dice")
			for _, event := range happens {
				if dice -= event.often; dice < 0 {
					rapid.Just(event.what).Draw(t, "event")
					event.do()
					break
				}
			}
			if refused := w.refused(); refused != "" {
				t.Fatal(refused)
			}
		}
		w.settle(leaders[leader])
	})
}
