package certs

import (
	"crypto/x509"
	"time"
)

// step is what a SelfSigned should do next.
type step string

const (
	rest      step = "rest"
	mintCA    step = "mint a CA"
	issueLeaf step = "issue a leaf"
)

// dwell is how long a new authority stands in the bundle before it signs what callers are shown, so that each of them has heard
// of it by then. Informers lag by seconds and people who copy bundles by minutes.
const dwell = time.Hour

// schedule is all that the next step depends on.
type schedule struct {
	ca    *x509.Certificate // the authority that signs; nil when there is none
	leaf  *x509.Certificate // nil when there is none, or none that can be used
	early float64           // from 0 to 1: how much of leafJitter this process renews early
}

// leafJitter spreads the renewals of replicas started together.
const leafJitter = 0.05

// next says what to do at now. It is pure; its table in schedule_test.go is the specification. It compares wall-clock times, so
// a machine that slept is told the truth when it wakes.
func (s schedule) next(now time.Time) step {
	switch {
	case s.ca == nil, !valid(s.ca, now), !now.Before(at(s.ca, 2.0/3)):
		return mintCA
	case s.leaf == nil, !valid(s.leaf, now):
		return issueLeaf // waiting for anybody to hear of the authority would not help: there is nothing to show meanwhile
	case now.Before(s.ca.NotBefore.Add(backdate + dwell)):
		return rest
	case !now.Before(at(s.leaf, 2.0/3-leafJitter*s.early)):
		return issueLeaf
	}
	return rest
}

// at is the moment at which cert has lived the given share of its life, counted from when it was made.
func at(cert *x509.Certificate, share float64) time.Time {
	made := cert.NotBefore.Add(backdate)
	return made.Add(time.Duration(share * float64(cert.NotAfter.Sub(made))))
}

// valid reports whether now lies in cert's life. Before it counts as well as after it: a certificate made while the clock was a
// year ahead must not stay in the way for a year.
func valid(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && now.Before(cert.NotAfter)
}
