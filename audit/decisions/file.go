package decisions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// FileOptions say how long a file may become, and what is kept of those before. All zero: one file, without end.
type FileOptions struct {
	Size int64         // in bytes, above which the file is rotated; one line alone may be longer. 0 is no bound
	Keep int           // how many rotated files are kept beside it, FILE.1 the newest; 0 keeps none
	Age  time.Duration // after which a file is rotated, and after which a rotated one is removed, so that nothing is kept for longer than twice of it; 0 is no bound
	Log  *slog.Logger  // told when records begin to be lost, and when they are kept again; nil discards
	Now  func() time.Time
}

// File is a Sink: a file of lines that only its user may read, rotated by size and age. When it cannot be written, as on a full disk or one
// that is read-only, its records are lost, and each later Write tries anew. One that somebody else moves away or deletes is made again. Make
// it with NewFile.
type File struct {
	name string
	opts FileOptions
	open func(name string) (file, error)

	stream  stream
	mu      sync.Mutex // held to change current, which Write alone does, and by Close to read it
	current file       // nil when it is to be opened
	closed  bool
	info    fs.FileInfo
	size    int64
	begun   time.Time // when the file was opened or rotated
	faulty  bool      // the last Write lost records
}

// file is what is needed of an *os.File.
type file interface {
	io.WriteCloser
	Stat() (fs.FileInfo, error)
}

// ErrNoReader is the error of NewFile for a pipe that nobody reads from.
var ErrNoReader = errors.New("nobody reads from it")

// NewFile opens name, which is added to, and made if it is not there. A pipe, or another thing that is no regular file, is never rotated.
func NewFile(name string, opts FileOptions) (*File, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	f := &File{name: name, opts: opts, open: openFile}
	f.expire()
	return f, f.reopen()
}

func openFile(name string) (file, error) {
	// A pipe without a reader would otherwise keep the server from starting, without a word.
	const how = os.O_CREATE | os.O_APPEND | syscall.O_NONBLOCK
	out, err := os.OpenFile(name, how|os.O_WRONLY, 0o600)
	if errors.Is(err, syscall.ENXIO) {
		return nil, ErrNoReader
	}
	return out, err
}

func (f *File) reopen() error {
	out, err := f.open(f.name)
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err != nil {
		_ = out.Close()
		return err
	}
	if !f.become(out) {
		_ = out.Close()
		return os.ErrClosed
	}
	f.info, f.size, f.begun = info, info.Size(), f.opts.Now()
	f.stream = stream{out: counting{f}}
	if info.Mode().IsRegular() && f.size > 0 {
		f.goOn()
	}
	return nil
}

// become reports whether out is what is written from now on; it is not after the end.
func (f *File) become(out file) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.current = out
	}
	return !f.closed
}

// goOn learns of what the file has already when it was begun, and whether it ends within a line, as after a crash. If it may not be read it is
// taken to: an empty line harms nobody.
func (f *File) goOn() {
	f.stream.torn = true
	in, err := os.Open(f.name)
	if err != nil {
		return
	}
	defer func() { _ = in.Close() }()
	var last [1]byte
	if _, err := in.ReadAt(last[:], f.size-1); err == nil {
		f.stream.torn = last[0] != '\n'
	}
	if f.opts.Age == 0 {
		return
	}
	for first, err := range Read(in) {
		if err == nil && first.Timestamp.Before(f.begun) {
			f.begun = first.Timestamp
		}
		return
	}
}

// counting keeps count of what the file has.
type counting struct{ f *File }

func (c counting) Write(p []byte) (int, error) {
	n, err := c.f.current.Write(p)
	c.f.size += int64(max(n, 0))
	return n, err
}

// Write adds lines to the file.
func (f *File) Write(lines [][]byte) (lost int, err error) {
	defer func() { f.tell(err) }()
	more := int64(0)
	for _, line := range lines {
		more += int64(len(line)) + 1
	}
	if err := f.ready(more); err != nil {
		return len(lines), err
	}
	lost, err = f.stream.Write(lines)
	if err != nil && f.info.Mode().IsRegular() {
		f.shut() // what is wrong may be with this file alone, as one of a disk that was taken away
	}
	return lost, err
}

// ready has a file open that there is room in for more bytes.
func (f *File) ready(more int64) error {
	if f.current == nil {
		return f.reopen()
	}
	if !f.info.Mode().IsRegular() {
		return nil
	}
	if there, err := os.Stat(f.name); err != nil || !os.SameFile(there, f.info) {
		f.shut() // somebody else rotates it, too
		return f.reopen()
	}
	full := f.opts.Size > 0 && f.size > 0 && f.size+more > f.opts.Size
	old := f.opts.Age > 0 && f.size > 0 && f.opts.Now().Sub(f.begun) >= f.opts.Age
	if !full && !old {
		return nil
	}
	f.expire()
	if err := f.rotate(); err != nil {
		// Rather a file that is too long than no records. The next Write tries again.
		f.opts.Log.Warn("the decision log cannot be rotated, and grows on", "file", f.name, "error", err)
		return nil
	}
	f.shut()
	return f.reopen()
}

// rotate moves the file, and those before it, one further.
func (f *File) rotate() error {
	if f.opts.Keep == 0 {
		return os.Remove(f.name)
	}
	for n := f.opts.Keep - 1; n >= 0; n-- {
		if err := os.Rename(f.numbered(n), f.numbered(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// expire removes rotated files that are too old, or too many, as after fewer are wanted.
func (f *File) expire() {
	for n := 1; ; n++ {
		info, err := os.Stat(f.numbered(n))
		if err != nil {
			return
		}
		if n > f.opts.Keep || f.opts.Age > 0 && f.opts.Now().Sub(info.ModTime()) >= f.opts.Age {
			_ = os.Remove(f.numbered(n))
		}
	}
}

// numbered is the name of a rotated file; of the one that is written for 0.
func (f *File) numbered(n int) string {
	if n == 0 {
		return f.name
	}
	return fmt.Sprintf("%s.%d", f.name, n)
}

// tell logs the first loss of many, and the end of them.
func (f *File) tell(err error) {
	switch {
	case errors.Is(err, os.ErrClosed): // by Close: who closes tells what is lost
		return
	case err != nil && !f.faulty:
		f.opts.Log.Error("the decision log cannot be written; its records are lost until it can be", "file", f.name, "error", err)
	case err == nil && f.faulty:
		f.opts.Log.Info("the decision log is written again", "file", f.name)
	}
	f.faulty = err != nil
}

func (f *File) shut() {
	if out := f.current; out != nil {
		f.become(nil)
		_ = out.Close()
	}
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed = true; f.current == nil {
		return nil
	}
	return f.current.Close()
}
