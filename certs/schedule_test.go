package certs

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestSchedule is the specification of when what is renewed.
func TestSchedule(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	cert := func(made, life time.Duration) *x509.Certificate {
		return &x509.Certificate{NotBefore: start.Add(made - backdate), NotAfter: start.Add(made + life)}
	}
	ca, leaf := cert(0, caLife), cert(0, leafLife)
	for name, c := range map[string]struct {
		state schedule
		at    time.Duration
		want  step
	}{
		"nothing there":                          {schedule{}, 0, mintCA},
		"an authority but no leaf":               {schedule{ca: ca}, 0, issueLeaf},
		"a new authority still issues the first": {schedule{ca: ca}, time.Second, issueLeaf},
		"all is new":                             {schedule{ca: ca, leaf: leaf}, 0, rest},
		"before two thirds of the leaf's life":   {schedule{ca: ca, leaf: leaf}, 112*time.Hour - time.Second, rest},
		"at two thirds of the leaf's life":       {schedule{ca: ca, leaf: leaf}, 112 * time.Hour, issueLeaf},
		"early by the whole jitter":              {schedule{ca: ca, leaf: leaf, early: 1}, 104 * time.Hour, issueLeaf},
		"the clock jumped past the leaf":         {schedule{ca: ca, leaf: leaf}, 30 * day, issueLeaf},
		"the clock went back before the leaf":    {schedule{ca: ca, leaf: cert(10*day, leafLife)}, day, issueLeaf},
		"the clock went back before both":        {schedule{ca: cert(10*day, caLife), leaf: cert(10*day, leafLife)}, day, mintCA},
		"the clock went back ten minutes":        {schedule{ca: ca, leaf: leaf}, -10 * time.Minute, rest},
		"before two thirds of the authority's":   {schedule{ca: ca, leaf: cert(243*day, leafLife)}, 243*day + 7*time.Hour, rest},
		"at two thirds of the authority's":       {schedule{ca: ca, leaf: cert(243*day, leafLife)}, 243*day + 8*time.Hour, mintCA},
		"an expired authority":                   {schedule{ca: ca, leaf: leaf}, 366 * day, mintCA},
		"a leaf due, an authority not yet known": {schedule{ca: cert(5*day, caLife), leaf: leaf}, 5*day + 59*time.Minute, rest},
		"a leaf due, an authority known":         {schedule{ca: cert(5*day, caLife), leaf: leaf}, 5*day + time.Hour, issueLeaf},
		"no leaf, an authority not yet known":    {schedule{ca: cert(5*day, caLife)}, 5 * day, issueLeaf},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.state.next(start.Add(c.at)); got != c.want {
				t.Errorf("%s should be done, not %s", c.want, got)
			}
		})
	}
}
