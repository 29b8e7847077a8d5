package state

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies/native"
)

func sample() *State {
	return &State{
		Of: "https://10.0.0.1 guard/portcullis", Written: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Policies:   []native.File{{Name: "policy/a", Text: []byte("{\"spec\":1}\xff"), Format: native.YAMLText}},
		Good:       []native.File{{Name: "policy/a", Text: []byte("{}"), Format: native.YAMLText}},
		Namespaces: []json.RawMessage{[]byte(`{"kind":"Namespace"}`)}, Certificate: []byte("crt"), Key: []byte("key"), Authorities: []byte("ca"),
	}
}

func encoded(t testing.TB, s *State) []byte {
	t.Helper()
	content, err := Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	d := In(filepath.Join(t.TempDir(), "deep", "kept"))
	if s, err := d.Read(); s != nil || err != nil {
		t.Fatalf("before anything was written: %v, %v", s, err)
	}
	if err := d.Write(sample()); err != nil {
		t.Fatal(err)
	}
	got, err := In(d.path).Read()
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("%+v, %v", got, err)
	}
	for path, want := range map[string]os.FileMode{d.path: 0o700, filepath.Join(d.path, Name): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestWhatIsTheSameIsNotWrittenAgain(t *testing.T) {
	d := In(t.TempDir())
	writes := 0
	d.write = func(f *os.File, content []byte) error {
		writes++
		return writeOut(f, content)
	}
	later, other := sample(), sample()
	later.Written = later.Written.Add(time.Hour)
	other.Good = nil
	for _, s := range []*State{sample(), later, other, other} {
		if err := d.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 2 {
		t.Errorf("written %d times", writes)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	content := encoded(t, sample())
	for at := range content {
		for bit := range 8 {
			torn := bytes.Clone(content)
			torn[at] ^= 1 << bit
			if s, err := Decode(torn); err == nil {
				t.Errorf("bit %d of byte %d: %+v", bit, at, s)
			}
		}
	}
}

func TestEveryTornFileIsRefused(t *testing.T) {
	content := encoded(t, sample())
	for length := range content {
		if _, err := Decode(content[:length]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for the whole", length, len(content))
		}
	}
	if _, err := Decode(append(content, 0)); err == nil {
		t.Error("what has something behind it is taken for the whole")
	}
}

func TestWhatIsSaidOfAFileThatIsRefused(t *testing.T) {
	content := encoded(t, sample())
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(make([]byte, maxContent+1))
	_ = zip.Close()
	long := make([]byte, MaxFile+1)
	for _, row := range []struct {
		what    string
		content []byte
		want    string
	}{
		{"empty", nil, "is not a state that Portcullis keeps, or only a part of one"},
		{"something else", []byte("{}\n"), "is not a state that Portcullis keeps, or only a part of one"},
		{"of the future", bytes.Replace(content, []byte("state 1 "), []byte("state 2 "), 1), "is of format 2, and this server reads format 1"},
		{"torn", content[:len(content)-1], "does not have the digest it says: it was torn or edited"},
		{"a bomb", append([]byte(header(bomb.Bytes())), bomb.Bytes()...), "unfolds to more than the 32 MiB that a state may be"},
		{"too long", append([]byte(header(long)), long...), "is longer than the 8 MiB that a state may be"},
		{"not compressed", []byte(header([]byte("{}")) + "{}"), "cannot be unfolded: unexpected EOF"},
	} {
		d := In(t.TempDir())
		path := filepath.Join(d.path, Name)
		if err := os.WriteFile(path, row.content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.Read()
		if want := path + " " + row.want + "; it is ignored until a new one is written"; err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", row.what, err, want)
		}
	}
}

func TestWhatIsTooMuchIsNotKept(t *testing.T) {
	d := In(t.TempDir())
	if err := d.Write(sample()); err != nil {
		t.Fatal(err)
	}
	large := sample()
	large.Key = make([]byte, maxContent)
	if err := d.Write(large); err == nil || err.Error() != "the state is not kept: it would be 42 MiB, and 32 MiB is the most" {
		t.Error(err)
	}
	if s, err := d.Read(); err != nil || !reflect.DeepEqual(s, sample()) {
		t.Errorf("the one before: %+v, %v", s, err)
	}
}

// A disk that is full after any number of bytes leaves the state before, and nothing else, and is written to when there is room again.
func TestAFullDiskLeavesWhatWasThere(t *testing.T) {
	d := In(t.TempDir())
	if err := d.Write(sample()); err != nil {
		t.Fatal(err)
	}
	next := sample()
	next.Of = "another"
	for room := range len(encoded(t, next)) {
		d.write = func(f *os.File, content []byte) error {
			_, _ = f.Write(content[:room])
			return &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		}
		if err := d.Write(next); err == nil || err.Error() != "the state is not kept: writing "+d.path+"/state: no space left on device" {
			t.Fatalf("after %d bytes: %v", room, err)
		}
		if s, err := d.Read(); err != nil || !reflect.DeepEqual(s, sample()) {
			t.Fatalf("after %d bytes: %+v, %v", room, s, err)
		}
		if left, err := os.ReadDir(d.path); err != nil || len(left) != 1 {
			t.Fatalf("after %d bytes: %v, %v", room, left, err)
		}
	}
	d.write = writeOut
	if err := d.Write(next); err != nil {
		t.Fatal(err)
	}
	if s, err := d.Read(); err != nil || s.Of != "another" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhatACrashLeftIsSweptAway(t *testing.T) {
	d := In(t.TempDir())
	if err := os.WriteFile(filepath.Join(d.path, ".state-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(sample()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(d.path); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := In(path)
	if err := d.Write(sample()); err == nil {
		t.Error("a file is taken for a directory")
	}
	if os.Getuid() == 0 {
		t.Skip("to root every directory can be written")
	}
	locked := t.TempDir()
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := In(locked).Write(sample()); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	content := encoded(f, sample())
	f.Add(content, false)
	f.Add(content[len(content)/2:], true)
	f.Add([]byte("portcullis-state 99999999999999999999 \n"), false)
	f.Add([]byte(`{"Policies":[{"Text":7}]}`), true)
	f.Fuzz(func(t *testing.T, content []byte, sealed bool) {
		if sealed { // past the digest
			var body bytes.Buffer
			zip := gzip.NewWriter(&body)
			_, _ = zip.Write(content)
			_ = zip.Close()
			content = append([]byte(header(body.Bytes())), body.Bytes()...)
		}
		s, err := Decode(content)
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err != nil {
			return
		}
		again, err := Decode(encoded(t, s))
		if err != nil || !reflect.DeepEqual(encoded(t, again), encoded(t, s)) {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
