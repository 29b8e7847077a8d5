package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const (
	namespace = "portcullis"
	caSecret  = "portcullis-ca"
	tlsSecret = "portcullis-tls"
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
