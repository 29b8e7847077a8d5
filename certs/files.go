package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// FilesOptions say which directory to follow.
type FilesOptions struct {
	// Dir holds tls.crt and tls.key, and where callers need to be told whom to trust, ca.crt: what a Secret of type
	// kubernetes.io/tls looks like when it is mounted.
	Dir string
	// Log hears of every new pair and of every one that cannot be used. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
}

// Files is a Source whose pair somebody else puts into a directory: cert-manager through a mounted Secret, or a person. It
// follows swaps of ..data, renames and plain writes, at once where the system announces them and within 10 seconds where not.
// A pair that cannot be used is reported and the one before it served on.
type Files struct {
	lastGood
	dir string
	mu  sync.Mutex // held by whoever reads the directory
}

// NewFiles returns a Files that has read its directory once. The directory must exist; that there is no pair in it yet, or no
// good one, is not an error but what Err says and Ready denies, because the pair may be on its way.
func NewFiles(opts FilesOptions) (*Files, error) {
	info, err := os.Stat(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("certificate files: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("certificate files: %s is not a directory; name the one that holds tls.crt and tls.key", opts.Dir)
	}
	f := &Files{dir: opts.Dir, lastGood: lastGood{what: opts.Dir, log: orDiscard(opts.Log), now: opts.Now}}
	f.path = func(name string) string { return filepath.Join(opts.Dir, name) }
	if f.now == nil {
		f.now = time.Now
	}
	f.look()
	return f, nil
}

// Start follows the directory until ctx ends.
func (f *Files) Start(ctx context.Context) error {
	watch(ctx, f.dir, f.log, f.look)
	return nil
}

// look reads the directory and publishes the pair there if it is new and in order.
func (f *Files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.take(f.read())
}

// read takes the files from behind ..data where there is one, so that all come from the same update of a Secret even if the
// link is swapped between two of them.
func (f *Files) read() (contents, error) {
	dir := f.dir
	if real, err := filepath.EvalSymlinks(filepath.Join(f.dir, "..data")); err == nil {
		dir = real
	}
	var out contents
	for _, file := range []struct {
		name     string
		into     *[]byte
		optional bool
	}{{certificateFile, &out.cert, false}, {keyFile, &out.key, false}, {authorityFile, &out.ca, true}} {
		data, err := os.ReadFile(filepath.Join(dir, file.name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && file.optional:
		case errors.Is(err, fs.ErrNotExist):
			return contents{}, fmt.Errorf("%s is missing", f.path(file.name))
		case err != nil:
			return contents{}, fmt.Errorf("reading %s: %w", f.path(file.name), err)
		case len(data) > 0: // cert-manager writes an empty ca.crt when the issuer did not say
			*file.into = data
		}
	}
	return out, nil
}
