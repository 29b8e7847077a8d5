package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Step is what rotation does next, and so the phase it is in.
type Step string

// The steps, in the order in which one rotation takes them.
const (
	// MintCA makes an authority. Those before it stay in the bundle, and one of them goes on signing.
	MintCA Step = "mint-ca"
	// PublishBoth waits until callers are told of the new authority beside the old.
	PublishBoth Step = "publish-both"
	// Dwell waits until they have all heard.
	Dwell Step = "dwell"
	// IssueLeaf makes the certificate that callers are shown.
	IssueLeaf Step = "issue-leaf"
	// RetireOldCA takes those from the bundle whose certificates nobody shows any longer.
	RetireOldCA Step = "retire-old-ca"
	// Rest does nothing until something is due.
	Rest Step = "rest"
)

// renewAt is the share of its life after which a certificate is replaced, leafJitter how much of it replicas started together spread
// their renewals by.
const (
	renewAt    = 2.0 / 3
	leafJitter = 0.05
)

// state is all that the next step depends on: what is kept, and what callers know.
type state struct {
	material
	bundled bool          // what callers are told to trust is the bundle of material
	told    bool          // every caller was told of the newest authority,
	ago     time.Duration // so long ago
	dwell   time.Duration // how long it takes them to hear what they were told
	early   float64       // from 0 to 1: how much of leafJitter this process renews early
}

// next says what to do at now. It is pure, and remembers nothing: whoever crashed between two steps, or comes second, finds in the
// state where to go on. Its table in rotation_test.go is the specification. It compares wall-clock times, so a machine that slept is
// told the truth when it wakes.
func (s state) next(now time.Time) Step {
	signer, known := s.signer(now)
	switch {
	case signer == nil:
		return MintCA
	case s.leaf == nil, !valid(s.leaf, now):
		return IssueLeaf // even of an authority nobody has heard of: there is nothing else to show
	case s.newest == nil, !valid(s.newest.cert, now), !now.Before(at(s.newest.cert, renewAt)):
		return MintCA
	case known && s.due(now) && s.leaf.NotAfter.Before(signer.cert.NotAfter): // else a new one would live no longer
		return IssueLeaf
	case !s.bundled:
		return PublishBoth
	case s.newest.signed(s.leaf):
		if s.over(now) {
			return RetireOldCA
		}
		return Rest
	case !s.told:
		return PublishBoth
	case s.ago < s.dwell:
		return Dwell
	}
	return IssueLeaf
}

// signer is who signs the next leaf, nil when nobody can, and whether callers know it: the newest authority once they do, else the
// oldest that is left. An authority nobody has heard of signs only when there is no other.
func (s state) signer(now time.Time) (signer *authority, known bool) {
	newest := s.newest.signs(now)
	if newest && (s.newest.signed(s.leaf) || s.bundled && s.told && s.ago >= s.dwell) {
		return s.newest, true
	}
	for _, old := range slices.Backward(s.previous) {
		if old.signs(now) {
			return old, true
		}
	}
	if newest {
		return s.newest, false
	}
	return nil, false
}

func (s state) due(now time.Time) bool { return !now.Before(at(s.leaf, renewAt-leafJitter*s.early)) }

// over reports whether an authority can be retired. It is asked when the newest has signed the leaf.
func (s state) over(now time.Time) bool {
	return len(s.previous) > len(s.remaining(now))
}

// after returns what is kept once step has been taken.
func (s state) after(step Step, now time.Time, n names) (material, error) {
	m := s.material
	switch step {
	case MintCA:
		fresh, err := newAuthority(now)
		if err != nil {
			return m, err
		}
		m.newest, m.previous = fresh, nil
		for _, old := range s.authorities() {
			if valid(old.cert, now) {
				m.previous = append(m.previous, old)
			}
		}
	case IssueLeaf:
		signer, _ := s.signer(now)
		leaf, key, err := signer.issue(now, n)
		if err != nil {
			return m, err
		}
		if signer == s.newest && !signer.signed(s.leaf) {
			m.shownUntil = now.Add(leafLife) // by then every leaf made before has expired
		}
		m.leaf, m.leafKey = leaf, key
	case RetireOldCA:
		m.previous = s.remaining(now)
	default:
		return m, fmt.Errorf("%s makes nothing", step)
	}
	return m, nil
}

// material is what a rotation makes and keeps. It is never changed, only replaced.
type material struct {
	newest   *authority   // signs, once callers know it; nil when there is none
	previous []*authority // those it takes over from and that callers still trust, the youngest first; keys may be missing
	leaf     *x509.Certificate
	leafKey  crypto.Signer
	// shownUntil is when the last leaf of a previous authority has expired, which somebody may show until then. Zero: not known.
	shownUntil time.Time
}

// authorities are all that callers should trust, the newest first.
func (m material) authorities() []*authority {
	if m.newest == nil {
		return m.previous
	}
	return append([]*authority{m.newest}, m.previous...)
}

// bundle is the certificates of all authorities.
func (m material) bundle() []*x509.Certificate {
	var out []*x509.Certificate
	for _, a := range m.authorities() {
		out = append(out, a.cert)
	}
	return out
}

// keys are the authorities' keys, as far as they are at hand.
func (m material) keys() []crypto.Signer {
	var out []crypto.Signer
	for _, a := range m.authorities() {
		if a.key != nil {
			out = append(out, a.key)
		}
	}
	return out
}

// remaining are the previous authorities that somebody may still need at now.
func (m material) remaining(now time.Time) []*authority {
	if !m.shownUntil.IsZero() && !now.Before(m.shownUntil) {
		return nil
	}
	var out []*authority
	for _, old := range m.previous {
		if now.Before(old.cert.NotAfter) {
			out = append(out, old)
		}
	}
	return out
}

// signs reports whether a can sign at now.
func (a *authority) signs(now time.Time) bool { return a != nil && a.key != nil && valid(a.cert, now) }

// signed reports whether a is who signed leaf. Signatures are checked where certificates are read.
func (a *authority) signed(leaf *x509.Certificate) bool {
	return a != nil && leaf != nil && bytes.Equal(a.cert.SubjectKeyId, leaf.AuthorityKeyId)
}

// at is the moment at which cert has lived the given share of its life, counted from when it was made.
func at(cert *x509.Certificate, share float64) time.Time {
	return made(cert).Add(time.Duration(share * float64(cert.NotAfter.Sub(made(cert)))))
}

func made(cert *x509.Certificate) time.Time { return cert.NotBefore.Add(backdate) }

// valid reports whether now lies in cert's life. Before it counts as well as after it: a certificate made while the clock was a
// year ahead must not stay in the way for a year.
func valid(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter)
}
