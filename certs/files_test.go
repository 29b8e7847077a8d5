package certs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func files(t *testing.T, dir string, c *clock) *Files {
	t.Helper()
	f, err := NewFiles(FilesOptions{Dir: dir, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilesServe(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	pair := issued(t, c.Now())
	putAll(t, dir, pair)
	f := files(t, dir, c)
	if err := f.Err(); err != nil || !f.Ready() {
		t.Fatalf("ready: %t, error: %v", f.Ready(), err)
	}
	if !bytes.Equal(f.CABundle(), pair.ca) {
		t.Error("the bundle is not ca.crt")
	}
	trusted(t, f.CABundle(), leafOf(t, f), dnsName, c.Now())
	if !f.NotAfter().Equal(leafOf(t, f).NotAfter) {
		t.Error("it does not say when the certificate expires")
	}
	c.Add(8 * 24 * time.Hour)
	if f.Ready() {
		t.Error("it is ready with an expired certificate")
	}
	_, err := f.GetCertificate(nil)
	if want := "the certificate of " + dir + " expired at 2026-03-08T12:00:00Z"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFilesWithoutAuthority(t *testing.T) {
	for _, ca := range [][]byte{nil, {}} { // no file, and the empty one cert-manager writes for some issuers
		c, dir := newClock(), t.TempDir()
		pair := issued(t, c.Now())
		pair.ca = ca
		putAll(t, dir, pair)
		if f := files(t, dir, c); !f.Ready() || f.CABundle() != nil {
			t.Errorf("ready: %t, bundle: %q, error: %v", f.Ready(), f.CABundle(), f.Err())
		}
	}
}

func TestFilesMayComeLater(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	f := files(t, dir, c)
	if f.Ready() || f.CABundle() != nil || !f.NotAfter().IsZero() {
		t.Error("there is something where nothing is")
	}
	if _, err := f.GetCertificate(nil); err == nil || err.Error() != dir+"/tls.crt is missing" {
		t.Error(err)
	}
	putAll(t, dir, issued(t, c.Now()))
	f.look()
	if !f.Ready() || f.Err() != nil {
		t.Errorf("ready: %t, error: %v", f.Ready(), f.Err())
	}
}

func TestFilesNeedADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tls.crt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		file:          "certificate files: " + file + " is not a directory; name the one that holds tls.crt and tls.key",
		file + "-not": "certificate files: stat " + file + "-not: no such file or directory",
	} {
		if _, err := NewFiles(FilesOptions{Dir: dir}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestFilesKeepTheLastGood breaks the files in every way and repairs them again.
func TestFilesKeepTheLastGood(t *testing.T) {
	now := newClock().Now()
	for name, c := range map[string]struct {
		broken func(t *testing.T) contents
		want   string
	}{
		"no certificate": {func(t *testing.T) contents {
			c := issued(t, now)
			c.cert = []byte("secret-canary")
			return c
		}, "DIR/tls.crt holds no certificate in PEM form"},
		"half a certificate": {func(t *testing.T) contents {
			c := issued(t, now)
			c.cert = []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
			return c
		}, "DIR/tls.crt: certificate 1 cannot be read: x509: malformed certificate"},
		"no key": {func(t *testing.T) contents {
			c := issued(t, now)
			c.key = []byte("secret-canary")
			return c
		}, "DIR/tls.key holds no private key in PEM form"},
		"another's key": {func(t *testing.T) contents {
			c := issued(t, now)
			c.key = issued(t, now).key
			return c
		}, "DIR/tls.key is not the private key of DIR/tls.crt"},
		"another authority": {func(t *testing.T) contents {
			c := issued(t, now)
			c.ca = issued(t, now).ca
			return c
		}, "no certificate of DIR/ca.crt vouches for DIR/tls.crt: x509: certificate signed by unknown authority"},
		"expired": {
			func(t *testing.T) contents { return issued(t, now.Add(-8*24*time.Hour)) },
			"DIR/tls.crt expired at 2026-02-28T12:00:00Z",
		},
		"not yet valid": {
			func(t *testing.T) contents { return issued(t, now.Add(8*24*time.Hour)) },
			"DIR/tls.crt is valid only from 2026-03-09T11:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock, dir := newClock(), t.TempDir()
			var log logged
			putAll(t, dir, issued(t, now))
			f, err := NewFiles(FilesOptions{Dir: dir, Now: clock.Now, Log: log.logger()})
			if err != nil {
				t.Fatal(err)
			}
			leaf, bundle := leafOf(t, f), f.CABundle()
			putAll(t, dir, c.broken(t))
			f.look()
			f.look()
			if err := f.Err(); err == nil || strings.ReplaceAll(err.Error(), dir, "DIR") != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if !f.Ready() || leafOf(t, f) != leaf || !bytes.Equal(f.CABundle(), bundle) {
				t.Error("the last good pair is not served on")
			}
			if n := strings.Count(log.String(), "cannot be used"); n != 1 {
				t.Errorf("it was logged %d times", n)
			}
			if strings.Contains(log.String(), "secret-canary") {
				t.Error("the log quotes a file")
			}
			putAll(t, dir, issued(t, now))
			f.look()
			if f.Err() != nil || leafOf(t, f) == leaf {
				t.Errorf("it did not take the repaired pair: %v", f.Err())
			}
		})
	}
}

// mount lays c out as the kubelet does, and swaps ..data to it in one step.
func mount(t *testing.T, dir, version string, c contents) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	putAll(t, filepath.Join(dir, version), c)
	if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{certificateFile, keyFile, authorityFile} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
}

func TestFilesFollow(t *testing.T) {
	for name, update := range map[string]func(t *testing.T, dir, version string, c contents){
		"..data swapped": mount,
		"renamed over":   func(t *testing.T, dir, _ string, c contents) { putAll(t, dir, c) },
		"written in place": func(t *testing.T, dir, _ string, c contents) {
			for name, data := range map[string][]byte{certificateFile: c.cert, keyFile: c.key, authorityFile: c.ca} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := newClock(), t.TempDir()
			update(t, dir, "..1", issued(t, c.Now()))
			f := files(t, dir, c)
			done := make(chan error)
			ctx, stop := contextOf(t)
			go func() { done <- f.Start(ctx) }()
			for _, version := range []string{"..2", "..3"} {
				next := issued(t, c.Now())
				update(t, dir, version, next)
				eventually(t, "the new pair is served", func() bool { return bytes.Equal(f.CABundle(), next.ca) })
				trusted(t, next.ca, leafOf(t, f), dnsName, c.Now())
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFilesPoll has no notifications: the directory watched is another by the time the files change.
func TestFilesPoll(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a poll")
	}
	c, dir := newClock(), filepath.Join(t.TempDir(), "tls")
	fill := func() contents {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		pair := issued(t, c.Now())
		putAll(t, dir, pair)
		return pair
	}
	fill()
	f := files(t, dir, c)
	ctx, stop := contextOf(t)
	defer stop()
	go func() { _ = f.Start(ctx) }()
	time.Sleep(10 * settle)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	next := fill()
	eventually(t, "the new pair is served", func() bool { return bytes.Equal(f.CABundle(), next.ca) })
}
