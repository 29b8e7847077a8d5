package certs

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// bundleOf is a Source of nothing but a bundle.
type bundleOf struct{ text []byte }

func (b *bundleOf) CABundle() []byte { return b.text }

func (*bundleOf) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
func (*bundleOf) Start(context.Context) error                                   { return nil }
func (*bundleOf) Ready() bool                                                   { return true }

func holds(t *testing.T, file, want string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %q, want %q (%v)", file, got, want, err)
	}
}

func announce(t *testing.T, file string, source Source) *Announcement {
	t.Helper()
	a, err := Announce(file, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.release)
	return a
}

func TestAnnounceFollowsTheBundle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "ca.crt")
		source := &bundleOf{text: []byte("one")}
		a := announce(t, file, source)
		holds(t, file, "one")
		if info, err := os.Stat(file); err != nil || (runtime.GOOS != "windows" && info.Mode() != 0o644) {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		before, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		source.text = []byte("two")
		go func() { done <- a.Start(ctx) }()
		time.Sleep(pollEvery)
		synctest.Wait()
		holds(t, file, "two")
		was := make([]byte, 10)
		if n, err := before.Read(was); err != nil || string(was[:n]) != "one" {
			t.Errorf("a reader of the old file sees %q (%v)", was[:n], err)
		}
		cancel()
		if err := <-done; err != nil || a.held != nil {
			t.Error("the lock outlives Start", err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%v are left behind (%v)", entries, err)
		}
	})
}

// TestAnnounceOfTwoServers: the second is refused while the first runs, unless both say the same.
func TestAnnounceOfTwoServers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files are not locked here")
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	first := &bundleOf{text: []byte("one")}
	a := announce(t, file, first)

	want := "a server that is running announces another authority in " + file + "; give each a file of its own"
	if _, err := Announce(file, &bundleOf{text: []byte("two")}, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	holds(t, file, "one")

	same := &bundleOf{text: []byte("one")}
	b := announce(t, file, same)
	// They follow the same files, and the second is the first to see that they changed.
	same.text = []byte("new")
	if err := b.update(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	first.text = []byte("new")
	if err := a.update(); err != nil {
		t.Error(err)
	}
	holds(t, file, "new")
	if err := b.update(); err != nil {
		t.Error(err)
	}

	a.release()
	announce(t, file, &bundleOf{text: []byte("two")})
	holds(t, file, "two")
}

func TestAnnounceRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Announce(dir, &bundleOf{text: []byte("one")}, nil); err == nil || err.Error() != dir+" is not a regular file" {
		t.Error(err)
	}
	if _, err := Announce(filepath.Join(dir, "missing", "ca.crt"), &bundleOf{text: []byte("one")}, nil); err == nil {
		t.Error("there is no such directory")
	}
	file := filepath.Join(dir, "ca.crt")
	announce(t, file, &bundleOf{})
	if _, err := os.Lstat(file); err == nil {
		t.Error("a file that says nothing was written")
	}
}
