package certs

import (
	"crypto/ed25519"
	"crypto/x509"
	"testing"
	"time"
)

// TestNext is the specification of what rotation does when.
func TestNext(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	life := func(id string, made, life time.Duration) *x509.Certificate {
		return &x509.Certificate{SubjectKeyId: []byte(id), NotBefore: start.Add(made - backdate), NotAfter: start.Add(made + life)}
	}
	ca := func(id string, made time.Duration) *authority {
		return &authority{cert: life(id, made, caLife), key: ed25519.PrivateKey{}}
	}
	keyless := func(a *authority) *authority { return &authority{cert: a.cert} }
	leaf := func(by *authority, made time.Duration) *x509.Certificate {
		out := life("leaf", made, leafLife)
		out.AuthorityKeyId = by.cert.SubjectKeyId
		if out.NotAfter.After(by.cert.NotAfter) {
			out.NotAfter = by.cert.NotAfter
		}
		return out
	}
	list := func(as ...*authority) []*authority { return as }
	a, b := ca("a", 0), ca("b", 244*day)
	// From a to b, at day 244.
	rolling := material{newest: b, previous: list(a), leaf: leaf(a, 243*day)}
	rolled := material{newest: b, previous: list(a), leaf: leaf(b, 244*day), shownUntil: start.Add(251 * day)}
	const asked = 10 * time.Second

	for name, c := range map[string]struct {
		state state
		at    time.Duration
		want  Step
	}{
		"nothing is there":                           {state{}, 0, MintCA},
		"an authority but no leaf":                   {state{material: material{newest: a}}, 0, IssueLeaf},
		"a leaf nobody was told to trust":            {state{material: material{newest: a, leaf: leaf(a, 0)}}, 0, PublishBoth},
		"all is new":                                 {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, 0, Rest},
		"before two thirds of the leaf's life":       {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, 112*time.Hour - 1, Rest},
		"at two thirds of the leaf's life":           {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, 112 * time.Hour, IssueLeaf},
		"early by the whole jitter":                  {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true, early: 1}, 104 * time.Hour, IssueLeaf},
		"before two thirds of the authority's":       {state{material: material{newest: a, leaf: leaf(a, 243*day)}, bundled: true}, 243*day + 7*time.Hour, Rest},
		"at two thirds of the authority's":           {state{material: material{newest: a, leaf: leaf(a, 243*day)}, bundled: true}, 243*day + 8*time.Hour, MintCA},
		"the leaf has expired, the authority is old": {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, 300 * day, IssueLeaf},
		"an expired authority":                       {state{material: material{newest: a, leaf: leaf(a, 360*day)}, bundled: true}, 365 * day, MintCA},

		"a new authority, not in the bundle":       {state{material: rolling, told: true, ago: day}, 244 * day, PublishBoth},
		"a new authority nobody was told of":       {state{material: rolling, bundled: true, dwell: asked}, 244 * day, PublishBoth},
		"told this moment":                         {state{material: rolling, bundled: true, told: true, dwell: asked}, 244 * day, Dwell},
		"told, before they can have heard":         {state{material: rolling, bundled: true, told: true, ago: asked - 1, dwell: asked}, 244 * day, Dwell},
		"told, and the clock went back":            {state{material: rolling, bundled: true, told: true, ago: -1, dwell: asked}, 244 * day, Dwell},
		"heard":                                    {state{material: rolling, bundled: true, told: true, ago: asked, dwell: asked}, 244 * day, IssueLeaf},
		"the leaf is due, and nobody told":         {state{material: rolling, bundled: true, dwell: asked}, 248 * day, IssueLeaf},
		"the leaf has expired, and nobody told":    {state{material: rolling, bundled: true, dwell: asked}, 250 * day, IssueLeaf},
		"the new leaf is shown":                    {state{material: rolled, bundled: true}, 245 * day, Rest},
		"the new leaf is due":                      {state{material: rolled, bundled: true}, 249 * day, IssueLeaf},
		"the old leaves may be shown a moment on":  {state{material: withLeaf(rolled, leaf(b, 249*day)), bundled: true}, 251*day - 1, Rest},
		"the old leaves have expired":              {state{material: withLeaf(rolled, leaf(b, 249*day)), bundled: true}, 251 * day, RetireOldCA},
		"when they expire is not known":            {state{material: material{newest: b, previous: list(a), leaf: leaf(b, 360*day)}, bundled: true}, 362 * day, Rest},
		"the old authority has expired":            {state{material: material{newest: b, previous: list(a), leaf: leaf(b, 364*day)}, bundled: true}, 365 * day, RetireOldCA},
		"the old authority is still in the bundle": {state{material: material{newest: b, leaf: leaf(b, 249*day)}}, 251 * day, PublishBoth},

		"the key is lost":                              {state{material: material{previous: list(keyless(a)), leaf: leaf(a, 0)}, bundled: true}, day, MintCA},
		"the key is lost, and a new one made":          {state{material: material{newest: ca("b", day), previous: list(keyless(a)), leaf: leaf(a, 0)}, bundled: true}, day, PublishBoth},
		"the same, and the leaf is due":                {state{material: material{newest: ca("b", 5*day), previous: list(keyless(a)), leaf: leaf(a, 0)}, bundled: true}, 5 * day, PublishBoth},
		"the same, and the leaf has expired":           {state{material: material{newest: ca("b", 8*day), previous: list(keyless(a)), leaf: leaf(a, 0)}, bundled: true}, 8 * day, IssueLeaf},
		"nobody told until the old authority ends":     {state{material: withLeaf(rolling, leaf(a, 364*day)), bundled: true}, 365*day - 1, PublishBoth},
		"nobody told, and the old authority has ended": {state{material: withLeaf(rolling, leaf(a, 364*day)), bundled: true}, 365 * day, IssueLeaf},

		"the clock jumped past the leaf":      {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, 30 * day, IssueLeaf},
		"the clock went back before the leaf": {state{material: material{newest: a, leaf: leaf(a, 10*day)}, bundled: true}, day, IssueLeaf},
		"the clock went back before both":     {state{material: material{newest: b, leaf: leaf(b, 244*day)}, bundled: true}, day, MintCA},
		"the clock went back ten minutes":     {state{material: material{newest: a, leaf: leaf(a, 0)}, bundled: true}, -10 * time.Minute, Rest},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.state.next(start.Add(c.at)); got != c.want {
				t.Errorf("the next step is %s, not %s", got, c.want)
			}
		})
	}
}

func withLeaf(m material, leaf *x509.Certificate) material {
	m.leaf = leaf
	return m
}

// TestSigner is the specification of who signs.
func TestSigner(t *testing.T) {
	c := newClock()
	mint := func(s state) material {
		t.Helper()
		m, err := s.after(MintCA, c.Now(), names{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := mint(state{})
	c.Add(245 * 24 * time.Hour)
	both := mint(state{material: first})
	keyless := both
	keyless.previous = []*authority{{cert: both.previous[0].cert}}
	for name, c := range map[string]struct {
		state state
		want  *authority
		known bool
	}{
		"nobody":                       {state{}, nil, false},
		"the first, heard of by none":  {state{material: first}, first.newest, false},
		"the old while none is told":   {state{material: both, bundled: true}, first.newest, true},
		"the old while none has heard": {state{material: both, bundled: true, told: true, dwell: 1}, first.newest, true},
		"the new when all have":        {state{material: both, bundled: true, told: true, ago: 1, dwell: 1}, both.newest, true},
		"the new when the old cannot":  {state{material: keyless, bundled: true}, both.newest, false},
	} {
		if got, known := c.state.signer(newClock().Now().Add(245 * 24 * time.Hour)); got != c.want || known != c.known {
			t.Errorf("%s: it is %v, and known: %t", name, got, known)
		}
	}
}
