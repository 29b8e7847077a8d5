// Package state keeps on disk what a server of a cluster lives by, so that one that is started again while the API server is away has
// something to answer with: the sources of its policies, the Namespaces and the certificate it shows.
//
// It is one file that is replaced as a whole. A file that was torn, edited or made by a later version is not read in part: it is refused.
// The digest in it finds accidents; whoever may write the directory may write policy, so nobody but the server may.
package state

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/policies/native"
)

const (
	// Name is that of the file in its directory.
	Name = "state"
	// version is of the format. Another one is refused: what a later version means by its fields, this one cannot know.
	version = 1
	magic   = "portcullis-state "
	// maxHeader is the magic word, two numbers and a digest, with room.
	maxHeader = 160
	// MaxFile bounds the file. There are two while one replaces the other, and in a Pod both count against its memory.
	MaxFile = 8 << 20
	// maxContent bounds what the file unfolds to: a few thousand policies, or tens of thousands of Namespaces.
	maxContent = 32 << 20
)

// State is what a server lives by.
type State struct {
	// Of says which cluster, release and settings it is of. To others it means nothing.
	Of string
	// Written is when.
	Written time.Time
	// Policies are the files of the cluster's policies and exceptions as they were read last, and Good the last good version of each
	// Policy among them that is faulty.
	Policies, Good []native.File
	// Gatekeeper are the files of the cluster's objects of Gatekeeper's, nil if they are not taken from there, and GatekeeperGood the last good
	// version of each among them that is faulty.
	Gatekeeper, GatekeeperGood []native.File
	// Namespaces are the objects; nil if they were too many.
	Namespaces []json.RawMessage
	// Certificate, Key and Authorities are tls.crt, tls.key and ca.crt, empty where the certificate is kept somewhere else.
	Certificate, Key, Authorities []byte
}

// Dir is a directory with a State. Its methods must not be called at the same time.
type Dir struct {
	path string
	last [sha256.Size]byte // of what was written last, without the time
	// write puts a file's content on the disk.
	write func(*os.File, []byte) error
}

// In returns the Dir at path, which is made when it is first written to.
func In(path string) *Dir { return &Dir{path: path, write: writeOut} }

func writeOut(file *os.File, content []byte) error {
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

// Read returns the State, nil when there is none. An error means that there is one which cannot be used.
func (d *Dir) Read() (*State, error) {
	path := filepath.Join(d.path, Name)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the kept state cannot be read: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, MaxFile+maxHeader+1))
	if err != nil {
		return nil, fmt.Errorf("the kept state cannot be read: %w", err)
	}
	out, err := Decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s %w; it is ignored until a new one is written", path, err)
	}
	return out, nil
}

// Write replaces the file, unless it was this Dir that wrote the same last. The file is the old one or the new one, whatever happens meanwhile.
func (d *Dir) Write(s *State) error {
	timeless := *s
	timeless.Written = time.Time{}
	text, err := json.Marshal(timeless)
	if err != nil {
		return fmt.Errorf("the state is not kept: %w", err)
	}
	sum := sha256.Sum256(text)
	if sum == d.last {
		return nil
	}
	content, err := Encode(s)
	if err != nil {
		return fmt.Errorf("the state is not kept: %w", err)
	}
	if err := d.replace(content); err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err // the path is that of a file with another name each time
		}
		return fmt.Errorf("the state is not kept: writing %s: %w", filepath.Join(d.path, Name), err)
	}
	d.last = sum
	return nil
}

func (d *Dir) replace(content []byte) (err error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	d.sweep()
	temp, err := os.CreateTemp(d.path, "."+Name+"-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // what is left of it is swept away the next time
		}
	}()
	err = d.write(temp, content)
	if closing := temp.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temp.Name(), filepath.Join(d.path, Name))
	}
	if err != nil {
		return err
	}
	return syncDir(d.path)
}

// sweep removes what writes left behind that a crash cut short: there is little room.
func (d *Dir) sweep() {
	left, _ := filepath.Glob(filepath.Join(d.path, "."+Name+"-*")) // the pattern is in order
	for _, name := range left {
		_ = os.Remove(name)
	}
}

// syncDir has the new name survive a power cut, too.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if closing := dir.Close(); err == nil {
		err = closing
	}
	return err
}

// Encode returns the file of a State: a line with the format's version, the digest and the length of what follows, and that, compressed.
func Encode(s *State) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(text) > maxContent {
		return nil, fmt.Errorf("it would be %d MiB, and %d MiB is the most", len(text)>>20, maxContent>>20)
	}
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	_, err = zip.Write(text)
	if err = errors.Join(err, zip.Close()); err != nil {
		return nil, err
	}
	if body.Len() > MaxFile {
		return nil, fmt.Errorf("it would be %d MiB, compressed, and %d MiB is the most", body.Len()>>20, MaxFile>>20)
	}
	return append([]byte(header(body.Bytes())), body.Bytes()...), nil
}

func header(body []byte) string {
	return fmt.Sprintf("%s%d %x %d\n", magic, version, sha256.Sum256(body), len(body))
}

// Decode reads what Encode has written. Every other sequence of bytes is an error, whose text goes on from the file's name.
func Decode(content []byte) (*State, error) {
	first, _, found := bytes.Cut(content[:min(len(content), maxHeader)], []byte("\n"))
	rest, ours := strings.CutPrefix(string(first), magic)
	if !found || !ours {
		return nil, errors.New("is not a state that Portcullis keeps, or only a part of one")
	}
	number, _, _ := strings.Cut(rest, " ")
	if is, err := strconv.Atoi(number); err == nil && is != version {
		return nil, fmt.Errorf("is of format %d, and this server reads format %d", is, version)
	}
	body := content[len(first)+1:]
	if len(body) > MaxFile {
		return nil, fmt.Errorf("is longer than the %d MiB that a state may be", MaxFile>>20)
	}
	if string(first)+"\n" != header(body) {
		return nil, errors.New("does not have the digest it says: it was torn or edited")
	}
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("cannot be unfolded: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(zip, maxContent+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be unfolded: %w", err)
	}
	if len(text) > maxContent {
		return nil, fmt.Errorf("unfolds to more than the %d MiB that a state may be", maxContent>>20)
	}
	var out State
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("cannot be understood: %w", err)
	}
	return &out, nil
}
