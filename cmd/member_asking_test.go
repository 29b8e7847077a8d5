package cmd

import (
	"errors"
	"testing"

	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// While the same is wrong the same is said, or each Policy's status would be written with each probe.
func TestWhatLastsIsSaidInTheSameWords(t *testing.T) {
	for text, want := range map[string]string{
		"the probe: read tcp 10.0.0.1:53412->10.0.0.2:443: connection reset by peer":                                   "the probe: read tcp 10.0.0.2:443: connection reset by peer",
		"lookup x on 10.96.0.10:53: read udp [::1]:4711->10.96.0.10:53: i/o timeout":                                   "lookup x on 10.96.0.10:53: read udp 10.96.0.10:53: i/o timeout",
		"x509: certificate has expired: current time 2026-07-01T12:00:00Z is after 2026-06-30T12:00:00Z":               "x509: certificate has expired: now is after 2026-06-30T12:00:00Z",
		`leases.coordination.k8s.io "portcullis-probe-4sppt7bkrdt2q4ml" is forbidden: no`:                              `leases.coordination.k8s.io "portcullis-probe" is forbidden: no`,
		`Post "https://portcullis.guard.svc:443/probe?timeout=3s": dial tcp 10.0.0.2:443: connect: connection refused`: `Post "https://portcullis.guard.svc:443/probe?timeout=3s": dial tcp 10.0.0.2:443: connect: connection refused`,
	} {
		c := &member{}
		c.stand(&registration.Standing{Err: errors.New(text)})
		if got := c.standing.Err.Error(); got != want {
			t.Errorf("%s\nis said as %s", text, got)
		}
	}
}
