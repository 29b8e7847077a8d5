package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSelfSignedCertificate(t *testing.T) {
	c := newClock()
	s := selfSigned(t, "", c, dnsName, dnsName+".cluster.local")
	leaf := leafOf(t, s)
	for _, name := range []string{dnsName, dnsName + ".cluster.local", "127.0.0.1"} {
		trusted(t, s.CABundle(), leaf, name, c.Now())
	}
	trusted(t, s.CABundle(), leaf, dnsName, c.Now().Add(-59*time.Minute))
	ca, err := parseCertificates("bundle", s.CABundle())
	if err != nil {
		t.Fatal(err)
	}
	if got := leaf.NotAfter.Sub(c.Now()); got != 7*24*time.Hour {
		t.Errorf("the leaf lives %s", got)
	}
	if got := ca[0].NotAfter.Sub(c.Now()); got != 365*24*time.Hour {
		t.Errorf("the authority lives %s", got)
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("the leaf's key is a %T", leaf.PublicKey)
	}
	if leaf.IsCA || !ca[0].IsCA || !ca[0].MaxPathLenZero || ca[0].KeyUsage != x509.KeyUsageCertSign {
		t.Error("the authority can do more or the leaf more than it should")
	}
	if other := leafOf(t, selfSigned(t, "", c)); other.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Error("two leaves have one serial number")
	}
	if !s.Ready() || !s.NotAfter().Equal(leaf.NotAfter) {
		t.Error("it should be ready until the leaf expires")
	}
}

func TestSelfSignedNeedsAName(t *testing.T) {
	_, err := NewSelfSigned(SelfSignedOptions{})
	if err == nil || err.Error() != "self-signed certificate: there is no DNS name and no IP address to certify" {
		t.Error(err)
	}
}

func TestSelfSignedRenewsLeaf(t *testing.T) {
	c := newClock()
	s := selfSigned(t, "", c)
	bundle, first := s.CABundle(), leafOf(t, s)
	c.Add(112*time.Hour - time.Minute)
	if err := s.renew(); err != nil || leafOf(t, s) != first {
		t.Fatalf("renewed too early (%v)", err)
	}
	c.Add(time.Minute)
	if err := s.renew(); err != nil || leafOf(t, s) == first {
		t.Fatalf("not renewed (%v)", err)
	}
	if !bytes.Equal(s.CABundle(), bundle) {
		t.Error("the bundle changed with the leaf; the API server would open its connections anew")
	}
	trusted(t, bundle, leafOf(t, s), dnsName, c.Now())
}

// TestSelfSignedRenewsCA turns the clock hour by hour through three years. At each hour a caller that knows the bundle of an hour
// ago must accept the certificate of now.
func TestSelfSignedRenewsCA(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	s := selfSigned(t, dir, c)
	bundles := map[string]bool{}
	for range 3 * 365 * 24 {
		before := s.CABundle()
		bundles[string(before)] = true
		c.Add(time.Hour)
		if err := s.renew(); err != nil {
			t.Fatal(err)
		}
		trusted(t, before, leafOf(t, s), dnsName, c.Now())
		trusted(t, s.CABundle(), leafOf(t, s), dnsName, c.Now())
	}
	if len(bundles) != 8 { // with each of five authorities made, and after each of three that expired
		t.Errorf("in three years there were %d bundles, not 8", len(bundles))
	}
	leaf := leafOf(t, s)
	if again := leafOf(t, selfSigned(t, dir, c)); !again.Equal(leaf) {
		t.Error("what was saved is not what was served")
	}
}

func TestSelfSignedRestart(t *testing.T) {
	for name, change := range map[string]struct {
		do                 func(t *testing.T, dir string, c *clock)
		names              []string
		sameLeaf, sameRoot bool
	}{
		"nothing changed":      {do: func(*testing.T, string, *clock) {}, sameLeaf: true, sameRoot: true},
		"the leaf expired":     {do: func(_ *testing.T, _ string, c *clock) { c.Add(8 * 24 * time.Hour) }, sameRoot: true},
		"everything expired":   {do: func(_ *testing.T, _ string, c *clock) { c.Add(400 * 24 * time.Hour) }},
		"the clock was wrong":  {do: func(_ *testing.T, _ string, c *clock) { c.Add(-400 * 24 * time.Hour) }},
		"another name":         {do: func(*testing.T, string, *clock) {}, names: []string{"other.other.svc"}, sameRoot: true},
		"fewer names":          {do: func(*testing.T, string, *clock) {}, names: []string{dnsName}, sameLeaf: true, sameRoot: true},
		"tls.crt is gone":      {do: remove(certificateFile), sameRoot: true},
		"tls.key is gone":      {do: remove(keyFile), sameRoot: true},
		"all is gone":          {do: remove(certificateFile, keyFile, authorityFile, authorityKeyFile)},
		"only ca.key is there": {do: remove(certificateFile, keyFile, authorityFile)},
		"another leaf's key": {do: func(t *testing.T, dir string, c *clock) {
			put(t, dir, keyFile, issued(t, c.Now()).key)
		}, sameRoot: true},
		"another authority's leaf": {do: func(t *testing.T, dir string, c *clock) {
			other := issued(t, c.Now())
			put(t, dir, keyFile, other.key)
			put(t, dir, certificateFile, other.cert)
		}, sameRoot: true},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := newClock(), filepath.Join(t.TempDir(), "made", "by", "us")
			before := selfSigned(t, dir, c, dnsName, dnsName+".cluster.local")
			leaf, bundle := leafOf(t, before), before.CABundle()
			change.do(t, dir, c)
			names := change.names
			if names == nil {
				names = []string{dnsName, dnsName + ".cluster.local"}
			}
			after := selfSigned(t, dir, c, names...)
			if got := leafOf(t, after).Equal(leaf); got != change.sameLeaf {
				t.Errorf("same leaf: %t", got)
			}
			if got := bytes.Equal(after.CABundle(), bundle); got != change.sameRoot {
				t.Errorf("same bundle: %t", got)
			}
			trusted(t, after.CABundle(), leafOf(t, after), names[0], c.Now())
			if again := selfSigned(t, dir, c, names...); !leafOf(t, again).Equal(leafOf(t, after)) {
				t.Error("what was made anew was not saved")
			}
		})
	}
}

func remove(files ...string) func(*testing.T, string, *clock) {
	return func(t *testing.T, dir string, _ *clock) {
		for _, name := range files {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSelfSignedBrokenFiles(t *testing.T) {
	const advice = "; repair it, or remove ca.crt, ca.key, tls.crt and tls.key from DIR to have new ones made"
	for name, c := range map[string]struct {
		do   func(t *testing.T, dir string)
		want string
	}{
		"ca.crt is no PEM": {
			func(t *testing.T, dir string) { put(t, dir, authorityFile, []byte("secret-canary")) },
			"DIR/ca.crt holds no certificate in PEM form" + advice,
		},
		"ca.key is no PEM": {
			func(t *testing.T, dir string) { put(t, dir, authorityKeyFile, []byte("secret-canary")) },
			"DIR/ca.key holds no private key in PEM form" + advice,
		},
		"ca.key is gone": {
			func(t *testing.T, dir string) { remove(authorityKeyFile)(t, dir, nil) },
			"DIR/ca.key is missing while DIR/ca.crt is there" + advice,
		},
		"ca.key is another's": {
			func(t *testing.T, dir string) { put(t, dir, authorityKeyFile, issued(t, time.Now()).key) },
			"DIR/ca.key is not the private key of DIR/ca.crt" + advice,
		},
		"ca.crt is a leaf": {func(t *testing.T, dir string) {
			put(t, dir, authorityFile, get(t, dir, certificateFile))
			put(t, dir, authorityKeyFile, get(t, dir, keyFile))
		}, "DIR/ca.crt is not the certificate of an authority" + advice},
		"tls.crt is no PEM": {
			func(t *testing.T, dir string) { put(t, dir, certificateFile, nil) },
			"DIR/tls.crt holds no certificate in PEM form" + advice,
		},
		"tls.key is no PEM": {
			func(t *testing.T, dir string) { put(t, dir, keyFile, []byte("secret-canary")) },
			"DIR/tls.key holds no private key in PEM form" + advice,
		},
		"tls.key is encrypted": {func(t *testing.T, dir string) {
			put(t, dir, keyFile, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
		}, "DIR/tls.key is encrypted, and a server has nobody to ask for the passphrase; store the key unencrypted" + advice},
		"somebody else's pair": {
			func(t *testing.T, dir string) { remove(authorityFile, authorityKeyFile)(t, dir, nil) },
			"DIR/tls.crt is there without DIR/ca.crt, so it was not made by this server" + advice,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			selfSigned(t, dir, newClock())
			c.do(t, dir)
			_, err := NewSelfSigned(SelfSignedOptions{DNSNames: []string{dnsName}, Dir: dir})
			if err == nil {
				t.Fatal("it was accepted")
			}
			if got, want := strings.ReplaceAll(err.Error(), dir, "DIR"), "self-signed certificate: "+c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestSelfSignedPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	selfSigned(t, dir, newClock())
	for name, want := range map[string]os.FileMode{
		".": os.ModeDir | 0o700, "ca.key": 0o400, "tls.key": 0o400, "ca.crt": 0o644, "tls.crt": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, not %s", name, info.Mode(), want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("there are %d files, not 4 (%v)", len(entries), err)
	}
}

// TestSelfSignedCrashBetweenWrites has every prefix of the files of a renewed CA on disk.
func TestSelfSignedCrashBetweenWrites(t *testing.T) {
	order := []string{authorityKeyFile, authorityFile, keyFile, certificateFile}
	for written := range len(order) + 1 {
		c, dir := newClock(), t.TempDir()
		s := selfSigned(t, dir, c)
		old := map[string][]byte{}
		for _, name := range order {
			old[name] = get(t, dir, name)
		}
		c.Add(244 * 24 * time.Hour)
		if err := s.renew(); err != nil {
			t.Fatal(err)
		}
		for _, name := range order[written:] {
			put(t, dir, name, old[name])
		}
		again := selfSigned(t, dir, c)
		trusted(t, again.CABundle(), leafOf(t, again), dnsName, c.Now())
	}
}

func TestSelfSignedServesWhatItCannotSave(t *testing.T) {
	c, dir := newClock(), filepath.Join(t.TempDir(), "tls")
	s := selfSigned(t, dir, c)
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // now the directory cannot be made
		t.Fatal(err)
	}
	first := leafOf(t, s)
	c.Add(6 * 24 * time.Hour)
	if err := s.renew(); err == nil {
		t.Fatal("nothing was said")
	}
	second := leafOf(t, s)
	if second.Equal(first) {
		t.Error("the old leaf is served on")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.renew(); err != nil {
		t.Fatal(err)
	}
	if again := selfSigned(t, dir, c); !leafOf(t, again).Equal(second) {
		t.Error("it was not saved once that was possible")
	}
}

func TestSelfSignedNeverServesExpired(t *testing.T) {
	c := newClock()
	s := selfSigned(t, "", c)
	c.Add(7 * 24 * time.Hour)
	_, err := s.GetCertificate(nil)
	if err == nil || err.Error() != "the self-signed certificate expired at 2026-03-08T12:00:00Z and could not be renewed" {
		t.Error(err)
	}
	if s.Ready() {
		t.Error("it says it is ready")
	}
	if err := s.renew(); err != nil || !s.Ready() {
		t.Errorf("it did not recover: %v", err)
	}
}

// TestSelfSignedStart lives through two weeks of the runtime's fake time, asleep for the last eight hours of them.
func TestSelfSignedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var jump time.Duration
		s, err := NewSelfSigned(SelfSignedOptions{DNSNames: []string{dnsName}, Jitter: noJitter, Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(jump)
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Start(ctx) }()
		first := leafOf(t, s)
		time.Sleep(112*time.Hour + time.Minute)
		second := leafOf(t, s)
		if second == first {
			t.Error("not renewed at two thirds of its life")
		}
		time.Sleep(105 * time.Hour) // 7 hours before the next
		mu.Lock()
		jump = 8 * time.Hour
		mu.Unlock()
		time.Sleep(time.Minute)
		if leafOf(t, s) == second {
			t.Error("not renewed within a minute of waking up")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRotationUnderHandshakes replaces three hundred leaves and thirty authorities while callers connect, each trusting what it was
// told just before. An authority dwells until every caller has begun a handshake that knows it.
func TestRotationUnderHandshakes(t *testing.T) {
	c := newClock()
	s := selfSigned(t, "", c)
	l := listen(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var handshakes [4]atomic.Int64
	for i := range handshakes {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := dialAt(s, c, l); err != nil {
					t.Errorf("a handshake failed: %v", err)
				}
				handshakes[i].Add(1)
			}
		})
	}
	rotate := func(todo Step) {
		s.mu.Lock()
		defer s.mu.Unlock()
		m, err := state{material: s.material, bundled: true, told: true}.after(todo, c.Now(), s.names)
		if err != nil {
			t.Error(err)
			return
		}
		s.publish(m, 0)
	}
	for i := range 300 {
		if i%10 == 0 {
			rotate(MintCA)
			for j := range handshakes {
				seen := handshakes[j].Load()
				eventually(t, "callers heard of the new authority", func() bool { return handshakes[j].Load() > seen+1 })
			}
		}
		rotate(IssueLeaf)
	}
	cancel()
	wg.Wait()
}

// TestSelfSignedLog: what is made for the first time was not renewed.
func TestSelfSignedLog(t *testing.T) {
	c := newClock()
	var log logged
	s, err := NewSelfSigned(SelfSignedOptions{DNSNames: []string{dnsName}, Now: c.Now, Jitter: noJitter, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	const made, renewed = `msg="a self-signed certificate was made"`, `msg="the self-signed certificate was renewed"`
	if text := log.String(); strings.Count(text, made) != 2 || strings.Contains(text, renewed) {
		t.Error(text)
	}
	c.Add(6 * 24 * time.Hour)
	if err := s.renew(); err != nil || strings.Count(log.String(), renewed) != 1 {
		t.Error(err, log.String())
	}
}
