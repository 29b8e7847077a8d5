package certs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// dwellAsked is the least time for which a new authority is published before it signs what callers are shown, where they say what they
// know: the API server may take the ten seconds of its TLSHandshakeTimeout to finish what it began with the bundle before.
const dwellAsked = 10 * time.Second

// RotationOptions say what to certify, where to keep it, and how to learn what callers know.
type RotationOptions struct {
	// Client reads and writes the two Secrets, and has to be allowed to get, create, patch and update them, by name: they are created by
	// server-side apply. It must ask the API server and not a cache.
	Client client.Client
	// Namespace is where the Secrets are: Name-tls, of the type kubernetes.io/tls, with tls.crt, tls.key and the bundle ca.crt, for
	// every replica; and Name-ca with the authorities and their keys, for the Rotation alone.
	Namespace, Name string
	// Owner returns with what a Secret vanishes that is about to be made; nil is nothing. It may block until that is known, while nothing else
	// is done, and an error means that the Secret must not be made yet. It is not asked about Secrets that are there: they stay whose they
	// are. Nil: Secrets are made without an owner.
	Owner func(context.Context) (*metav1.OwnerReference, error)
	// DNSNames and IPs are what the certificate is for. At least one of either is needed.
	DNSNames []string
	IPs      []net.IP
	// Published returns the authorities, as PEM, that every configuration by which the API server calls us holds now, and that it was
	// seen to go by. An error means that nobody can say, and nothing is replaced meanwhile. Nil: nobody is asked, and callers are taken to
	// know an authority an hour after it was made.
	Published func(ctx context.Context) ([]byte, error)
	// Lag is how long an API server was lately seen to take until it went by a configuration just written; there may be others that
	// take longer. Nil means not seen.
	Lag func() time.Duration
	// Log hears of each step, and of what fails. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Rotation is an authority whose certificates all replicas share: it keeps them in two Secrets and renews them there, one step at a
// time. Each replica follows the Secret Name-tls with a Secret; one of them, the leader, runs the Rotation. Should two run for a while,
// or one stop at any point, nothing breaks: every step depends on what the Secrets hold, and is written only if they still do.
//
// The authority lives for a year and leaves for seven days; both are replaced when two thirds of that have passed. A new authority is
// published beside the old before it signs what is shown, and the old one stays in the bundle for a week after, when the last of its
// leaves has expired. Deleting Secret Name-ca has the authority replaced in just this way; deleting both Secrets, at once.
type Rotation struct {
	opts  RotationOptions
	names names
	log   *slog.Logger
	// creator is the field manager that creates Secrets, nobody else's.
	creator client.FieldOwner

	wake   chan struct{}
	phase  atomic.Value // Step
	bundle atomic.Value // []byte

	// tick is a clock that nobody sets, for how long ago callers were told.
	tick   func() time.Time
	toldOf string    // the certificate of the authority callers were told of,
	toldAt time.Time // since when at least, as this process has seen it
	warned string    // the fault told last
}

// NewRotation returns a Rotation; Start runs it.
func NewRotation(opts RotationOptions) (*Rotation, error) {
	r := &Rotation{opts: opts, names: names{DNS: opts.DNSNames, IPs: opts.IPs}, log: orDiscard(opts.Log), tick: time.Now, wake: make(chan struct{}, 1)}
	r.creator = client.FieldOwner(manager + "-" + rand.Text())
	if len(r.names.DNS)+len(r.names.IPs) == 0 {
		return nil, errors.New("certificate rotation: there is no DNS name and no IP address to certify")
	}
	if r.opts.Now == nil {
		r.opts.Now = time.Now
	}
	return r, nil
}

// Phase is the step the rotation is at, and empty before it has looked: for a metric.
func (r *Rotation) Phase() Step {
	step, _ := r.phase.Load().(Step)
	return step
}

// CABundle is what callers should trust, as PEM, as this Rotation has read or written it since it was last started; nil before. Whoever writes the
// configurations by which the API server calls us must take it from here and not from a Secret that is followed: a watch that lags
// would take an authority back that signs already.
func (r *Rotation) CABundle() []byte {
	bundle, _ := r.bundle.Load().([]byte)
	return bundle
}

// Wake has the Rotation look in a second, as when the Secret Name-tls was deleted; otherwise it looks every 30. It never blocks.
func (r *Rotation) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// pause returns after d, or after Wake; false when ctx ends before. Who deletes both Secrets has a second to do it: what is made of one of
// them is not what is made of none.
func (r *Rotation) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-r.wake:
		return wait(ctx, firstRetry)
	}
}

// Start takes the steps that are due until ctx ends: give it one that ends with leadership. What fails is logged and tried again,
// within 30 seconds. It must not be called twice at a time.
func (r *Rotation) Start(ctx context.Context) error {
	// What this process saw when it was leader before may have changed since: another may have rolled the authority.
	r.toldOf = ""
	r.bundle.Store([]byte(nil))
	defer r.bundle.Store([]byte(nil)) // who asks the next time that this server leads may come before it has begun
	pause := firstRetry
	for {
		step, err := r.once(ctx)
		switch {
		case err == nil && step == Rest:
			pause = checkEvery
		case err == nil, ctx.Err() != nil, apierrors.IsConflict(err), apierrors.IsAlreadyExists(err): // somebody else took the step
			pause = firstRetry
		default:
			r.log.Error("the rotation of certificates does not go on; trying again soon", "step", string(r.Phase()), "error", err)
			pause = min(2*pause, lastRetry)
		}
		if !r.pause(ctx, pause) {
			return nil
		}
	}
}

// once takes the next step, and says which it was.
func (r *Rotation) once(ctx context.Context) (Step, error) {
	k, err := r.read(ctx)
	if err != nil {
		return "", err
	}
	r.tell(k.fault)
	r.bundle.Store(k.pair.Data[authorityFile])
	now := r.opts.Now().Round(0) // without the monotonic reading, which stops while the machine sleeps
	s, err := r.state(ctx, k, now)
	if err != nil {
		// Who cannot say what callers know has not been told; a leaf that is due is renewed all the same.
		err = fmt.Errorf("asking which authorities the API server was told of: %w", err)
	}
	step := s.next(now)
	r.phase.Store(step)
	if step != PublishBoth && step != Dwell {
		err = nil
	}
	switch step {
	case MintCA, IssueLeaf, RetireOldCA:
		return step, r.take(ctx, k, s, step, now)
	case PublishBoth:
		if !s.bundled {
			err = r.savePair(ctx, k, k.material)
		}
	case Dwell, Rest:
	}
	return step, err
}

// take makes what a step makes and saves it.
func (r *Rotation) take(ctx context.Context, k kept, s state, step Step, now time.Time) error {
	m, err := s.after(step, now, r.names)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	if step == IssueLeaf {
		err = r.savePair(ctx, k, m)
	} else {
		err = r.saveAuthorities(ctx, k, m)
	}
	if err != nil {
		return err
	}
	switch {
	case step == RetireOldCA:
		r.log.Info("the old authority was taken from the bundle", "step", string(step))
	case step == MintCA && len(k.authorities()) > 0 && len(m.previous) == 0:
		r.log.Warn("every authority had expired, so a new one is used at once; callers refuse the server until they are told of it",
			"step", string(step), "until", stamp(until(step, m)))
	case step == MintCA:
		r.log.Info("a new authority was made", "step", string(step), "until", stamp(until(step, m)))
	default:
		r.log.Info("a certificate was issued", "step", string(step), "until", stamp(until(step, m)), "by", m.leaf.Issuer.CommonName)
	}
	return nil
}

// state adds to what is kept what callers know. An error means that they could not be asked; the state then says that they know nothing.
func (r *Rotation) state(ctx context.Context, k kept, now time.Time) (state, error) {
	if r.opts.Published == nil {
		s := unasked(k.material, 0, now)
		s.shownUntil, s.bundled = k.shownUntil, k.bundled
		return s, nil
	}
	s := state{material: k.material, bundled: k.bundled, dwell: dwellAsked}
	if r.opts.Lag != nil {
		s.dwell = max(s.dwell, 2*r.opts.Lag())
	}
	if k.newest == nil || k.newest.signed(k.leaf) || !k.bundled {
		r.toldOf = ""
		return s, nil
	}
	published, err := r.opts.Published(ctx)
	if err != nil || !includes(published, k.material) {
		r.toldOf = ""
		return s, err
	}
	if newest := string(k.newest.cert.Raw); r.toldOf != newest {
		r.toldOf, r.toldAt = newest, r.tick()
	}
	s.told, s.ago = true, r.tick().Sub(r.toldAt)
	return s, nil
}

// includes reports whether published has every authority of m.
func includes(published []byte, m material) bool {
	certs, err := parseCertificates("the bundle published", published)
	if err != nil {
		return false // nothing yet
	}
	for _, ca := range m.bundle() {
		if !slices.ContainsFunc(certs, ca.Equal) {
			return false
		}
	}
	return true
}

// tell logs a fault of what is kept, once.
func (r *Rotation) tell(fault error) {
	text := ""
	if fault != nil {
		text = fault.Error()
	}
	if text != "" && text != r.warned {
		r.log.Warn("what is kept of the certificates cannot be used, and is made anew", "error", fault)
	}
	r.warned = text
}

func (r *Rotation) caName() string   { return r.opts.Name + "-ca" }
func (r *Rotation) pairName() string { return r.opts.Name + "-tls" }
