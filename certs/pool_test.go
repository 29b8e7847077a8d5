package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPoolFollows(t *testing.T) {
	c, dir := newClock(), t.TempDir()
	file := filepath.Join(dir, "client-ca.crt")
	first, second := issued(t, c.Now()), issued(t, c.Now())
	put(t, dir, "client-ca.crt", first.ca)
	var log logged
	p, err := NewPool(file, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	before := p.Current()
	ctx, stop := contextOf(t)
	defer stop()
	go func() { _ = p.Start(ctx) }()
	put(t, dir, "client-ca.crt", append(first.ca, second.ca...))
	eventually(t, "the second authority is trusted too", func() bool { return !p.Current().Equal(before) })
	both := p.Current()
	put(t, dir, "client-ca.crt", []byte("secret-canary"))
	eventually(t, "the broken file is reported", func() bool { return p.Err() != nil })
	if want := file + " holds no certificate in PEM form"; p.Err().Error() != want {
		t.Errorf("got %v, want %s", p.Err(), want)
	}
	if !p.Current().Equal(both) {
		t.Error("the last good authorities are not trusted any longer")
	}
	if strings.Contains(log.String(), "secret-canary") {
		t.Error("the log quotes the file")
	}
	put(t, dir, "client-ca.crt", second.ca)
	eventually(t, "the repaired file is read", func() bool { return p.Err() == nil && !p.Current().Equal(both) })
}

func TestPoolNeedsAnAuthority(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client-ca.crt")
	if _, err := NewPool(file, nil); err == nil || err.Error() != "certificate authorities: open "+file+": no such file or directory" {
		t.Error(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPool(file, nil); err == nil || err.Error() != "certificate authorities: "+file+" holds no certificate in PEM form" {
		t.Error(err)
	}
	if new(Pool).Current() != nil {
		t.Error("the zero Pool trusts somebody")
	}
}
