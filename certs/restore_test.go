package certs

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// A pair that was kept is served until the Secret is read, and not a moment longer than it is valid.
func TestSecretServesWhatWasKept(t *testing.T) {
	c := newClock()
	kept := issued(t, c.Now())
	s := NewSecret(SecretOptions{Namespace: "guard", Name: "portcullis-tls", Now: c.Now})
	if err := s.Restore(kept.cert, kept.key, kept.ca); err != nil {
		t.Fatal(err)
	}
	if !s.Ready() || !s.Restored() || !bytes.Equal(s.CABundle(), kept.ca) {
		t.Error("it is not served")
	}
	if cert, _, _ := s.Pair(); cert != nil {
		t.Error("what was kept passes for what was read")
	}
	s.learn(contents{}, errors.New("the API server is away"))
	if !s.Ready() || !s.Restored() {
		t.Error("it is not served on while the API server is away")
	}
	until := s.NotAfter()
	c.Add(until.Sub(c.Now()))
	if s.Ready() {
		t.Error("it is served although it has expired")
	}
	if err := NewSecret(SecretOptions{Namespace: "guard", Name: "portcullis-tls", Now: c.Now}).Restore(kept.cert, kept.key, kept.ca); err == nil ||
		err.Error() != "tls.crt of Secret guard/portcullis-tls expired at "+stamp(until) {
		t.Error(err)
	}
	live := issued(t, c.Now())
	s.learn(live, nil)
	if cert, key, ca := s.Pair(); s.Restored() || !s.Ready() || !bytes.Equal(cert, live.cert) || !bytes.Equal(key, live.key) || !bytes.Equal(ca, live.ca) {
		t.Error("what was read does not take over")
	}
}

func TestSecretDoesNotGoBackToWhatWasKept(t *testing.T) {
	c := newClock()
	live, kept := issued(t, c.Now()), issued(t, c.Now().Add(-time.Hour))
	s := NewSecret(SecretOptions{Namespace: "guard", Name: "portcullis-tls", Now: c.Now})
	s.learn(live, nil)
	if err := s.Restore(kept.cert, kept.key, kept.ca); err != nil || s.Restored() || !bytes.Equal(s.CABundle(), live.ca) {
		t.Errorf("%v, restored %v", err, s.Restored())
	}
}

// The one that is in the Secret now may be the one that was kept.
func TestSecretReadsWhatWasKept(t *testing.T) {
	c := newClock()
	kept := issued(t, c.Now())
	s := NewSecret(SecretOptions{Namespace: "guard", Name: "portcullis-tls", Now: c.Now})
	if err := s.Restore(kept.cert, kept.key, kept.ca); err != nil {
		t.Fatal(err)
	}
	s.learn(kept, nil)
	if cert, _, _ := s.Pair(); s.Restored() || cert == nil || s.Err() != nil {
		t.Errorf("restored %v, %v", s.Restored(), s.Err())
	}
}

func TestSecretRefusesAKeptPairThatIsNone(t *testing.T) {
	c := newClock()
	one, other := issued(t, c.Now()), issued(t, c.Now())
	for what, broken := range map[string]contents{
		"nothing":           {},
		"another's key":     {cert: one.cert, key: other.key, ca: one.ca},
		"another authority": {cert: one.cert, key: one.key, ca: other.ca},
	} {
		s := NewSecret(SecretOptions{Namespace: "guard", Name: "portcullis-tls", Now: c.Now})
		if err := s.Restore(broken.cert, broken.key, broken.ca); err == nil || s.Ready() || s.Restored() || !strings.Contains(err.Error(), "Secret guard/portcullis-tls") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
