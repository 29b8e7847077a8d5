package decisions

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logFile is a File in a folder of its own.
func logFile(t *testing.T, opts FileOptions) (*File, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "decisions.jsonl")
	f, err := NewFile(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, name
}

func put(t *testing.T, s Sink, lines ...string) {
	t.Helper()
	if lost, err := s.Write(bytesOf(lines)); lost != 0 || err != nil {
		t.Fatalf("%d lost: %v", lost, err)
	}
}

func bytesOf(lines []string) (out [][]byte) {
	for _, line := range lines {
		out = append(out, []byte(line))
	}
	return out
}

// contents are the files of a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(e.Name(), "decisions.jsonl")+"="+strings.ReplaceAll(string(text), "\n", ";"))
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	return strings.Join(out, " ")
}

func TestAFileIsRotatedBySize(t *testing.T) {
	f, name := logFile(t, FileOptions{Size: 8, Keep: 2})
	for _, c := range []struct{ line, want string }{
		{"aaa", "=aaa;"},
		{"bbb", "=aaa;bbb;"},
		{"ccc", "=ccc; .1=aaa;bbb;"},
		{strings.Repeat("d", 20), "=dddddddddddddddddddd; .1=ccc; .2=aaa;bbb;"}, // longer than a file may be
		{"e", "=e; .1=dddddddddddddddddddd; .2=ccc;"},
	} {
		if put(t, f, c.line); contents(t, filepath.Dir(name)) != c.want {
			t.Errorf("after %s there is %s, want %s", c.line, contents(t, filepath.Dir(name)), c.want)
		}
	}
}

func TestWithoutRotatedFilesOneIsBegunAnew(t *testing.T) {
	f, name := logFile(t, FileOptions{Size: 8})
	put(t, f, "aaa", "bbb")
	put(t, f, "ccc")
	if got := contents(t, filepath.Dir(name)); got != "=ccc;" {
		t.Errorf("there is %s", got)
	}
}

func TestAFileIsRotatedByAgeAndOldOnesAreRemoved(t *testing.T) {
	now := time.Now()
	f, name := logFile(t, FileOptions{Keep: 5, Age: time.Hour, Now: func() time.Time { return now }})
	put(t, f, "a")
	now = now.Add(59 * time.Minute)
	put(t, f, "b")
	now = now.Add(time.Minute)
	put(t, f, "c")
	if got := contents(t, filepath.Dir(name)); got != "=c; .1=a;b;" {
		t.Errorf("there is %s", got)
	}
	if err := os.Chtimes(name+".1", now, now); err != nil { // now is not the disk's
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	put(t, f, "d")
	if got := contents(t, filepath.Dir(name)); got != "=d; .1=c;" {
		t.Errorf("there is %s", got)
	}
}

// A server that is started again and again goes on with the age of the file.
func TestTheAgeOfAFileIsThatOfItsFirstRecord(t *testing.T) {
	f, name := logFile(t, FileOptions{})
	put(t, f, `{"decision_id":"a","path":"validate","timestamp":"2026-01-02T02:00:00Z"}`)
	_ = f.Close()
	at := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	again, err := NewFile(name, FileOptions{Age: time.Hour, Keep: 1, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if put(t, again, "b"); !strings.HasPrefix(contents(t, filepath.Dir(name)), "=b; .1=") {
		t.Errorf("there is %s", contents(t, filepath.Dir(name)))
	}
}

func TestAFileThatEndsWithinALineIsGoneOnWithInANewOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "decisions.jsonl")
	if err := os.WriteFile(name, []byte(`{"torn`), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(name, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, f, "a")
	_ = f.Close()
	if got := contents(t, filepath.Dir(name)); got != `={"torn;a;` {
		t.Errorf("there is %s", got)
	}
	if lost, err := f.Write(bytesOf([]string{"b"})); lost != 1 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the end %d is lost: %v", lost, err)
	}
}

func TestAFileThatIsMovedAwayIsMadeAgain(t *testing.T) {
	f, name := logFile(t, FileOptions{})
	put(t, f, "a")
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	put(t, f, "b")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	put(t, f, "c")
	if got := contents(t, filepath.Dir(name)); got != "=c; .old=a;" {
		t.Errorf("there is %s", got)
	}
}

func TestWhatCannotBeRotatedGrowsOn(t *testing.T) {
	var log bytes.Buffer
	f, name := logFile(t, FileOptions{Size: 4, Keep: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := os.MkdirAll(filepath.Join(name+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, f, "aaa")
	put(t, f, "bbb")
	if text, err := os.ReadFile(name); string(text) != "aaa\nbbb\n" || err != nil {
		t.Errorf("it has %q, %v", text, err)
	}
	if !strings.Contains(log.String(), "the decision log cannot be rotated, and grows on") {
		t.Errorf("the log says %s", log.String())
	}
}

// faultyFile is a file of a disk that is full, or read-only, for a while.
type faultyFile struct {
	*os.File
	err *error
}

func (f faultyFile) Write(p []byte) (int, error) {
	if *f.err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, *f.err
	}
	return f.File.Write(p)
}

// F23: a full disk, or one that became read-only, costs records, which are counted, and ends with it.
func TestAFullDiskCostsRecordsAndNoMore(t *testing.T) {
	for _, c := range []struct {
		name          string
		writing, open error
	}{
		{"full", syscall.ENOSPC, nil},
		{"read-only", syscall.EROFS, syscall.EROFS},
		{"gone", syscall.EIO, fs.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			f, name := logFile(t, FileOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
			var writing, opening error
			f.open = func(name string) (file, error) {
				if opening != nil {
					return nil, opening
				}
				out, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
				return faultyFile{out, &writing}, err
			}
			f.shut()
			put(t, f, "a")
			writing, opening = c.writing, c.open
			for range 3 {
				if lost, err := f.Write(bytesOf([]string{"bbbb", "cccc"})); lost == 0 || err == nil {
					t.Fatalf("%d lost: %v", lost, err)
				}
			}
			writing, opening = nil, nil
			put(t, f, "d")
			text, err := os.ReadFile(name)
			if err != nil || !strings.HasPrefix(string(text), "a\n") || !strings.HasSuffix(string(text), "\nd\n") {
				t.Errorf("it has %q, %v", text, err)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != 2 || !strings.Contains(lines[0], `level=ERROR msg="the decision log cannot be written; its records are lost until it can be"`) ||
				!strings.Contains(lines[1], `level=INFO msg="the decision log is written again"`) {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}

func TestWhatIsNoRegularFileIsNotRotated(t *testing.T) {
	full, err := NewFile("/dev/full", FileOptions{Size: 1, Keep: 1, Age: 1})
	if err != nil {
		t.Skip(err)
	}
	for range 2 {
		if lost, err := full.Write(bytesOf([]string{"a"})); lost != 1 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d lost: %v", lost, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFile(pipe, FileOptions{}); !errors.Is(err, ErrNoReader) {
		t.Errorf("a pipe nobody reads from: %v", err)
	}
}

// An operation of the disk that hangs is left alone by Close, which is what the end of the server waits for.
func TestCloseWhileAWriteIsUnderWay(t *testing.T) {
	f, _ := logFile(t, FileOptions{})
	begun, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f.open = func(name string) (file, error) {
		out, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
		return hanging{out, begun, release}, err
	}
	f.shut()
	go func() {
		defer close(done)
		_, _ = f.Write(bytesOf([]string{"a"}))
	}()
	<-begun
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	close(release)
	<-done
}

type hanging struct {
	*os.File
	begun, release chan struct{}
}

func (h hanging) Write(p []byte) (int, error) {
	close(h.begun)
	<-h.release
	return 0, fmt.Errorf("it hung for %d bytes", len(p))
}
