package certs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// Announcement keeps a file in step with what callers of a Source should trust. Readers see the old bundle or the new one and
// nothing between. It is not safe for concurrent use; Start is the only thing to call after Announce.
//
// On Linux and macOS the file stays locked until Start ends, so that of two servers with authorities of their own, the second is
// told instead of taking the file from the first. Elsewhere the last to write wins.
type Announcement struct {
	path   string
	source Source
	log    *slog.Logger

	written []byte
	held    *os.File // locked; nil when the file is another server's, which announces the same
}

// Announce writes source's bundle to the file at path, with mode 0644, and returns what keeps it. Nothing is written while the
// bundle is empty. What is no regular file, cannot be written, or is held by a server that announces something else is an error.
// A nil log discards.
func Announce(path string, source Source, log *slog.Logger) (*Announcement, error) {
	a := &Announcement{path: path, source: source, log: orDiscard(log)}
	if err := a.update(); err != nil {
		return nil, err
	}
	return a, nil
}

// Start writes the file again whenever the bundle has changed, within 10 seconds, until ctx ends. What fails is logged, and tried
// again.
func (a *Announcement) Start(ctx context.Context) error {
	defer a.release()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := a.update()
		if err == nil {
			last = ""
		} else if err.Error() != last { // said once, not at every look
			last = err.Error()
			a.log.Error("the file of the authority to trust is out of date; trying again soon", "file", a.path, "error", err)
		}
	}
}

// update writes the bundle if it is not the one written last.
func (a *Announcement) update() error {
	bundle := a.source.CABundle()
	if len(bundle) == 0 || bytes.Equal(bundle, a.written) {
		return nil
	}
	there, err := a.claim(bundle)
	if err != nil {
		return err
	}
	if !there {
		if err := replace(a.path, bundle, 0o644); err != nil {
			return err
		}
		// Whoever came between the two lines has read what was just written, and finds out that it is not its own.
		if there, err = a.claim(bundle); err != nil {
			return err
		} else if !there {
			return fmt.Errorf("somebody else writes %s", a.path)
		}
		a.log.Info("the authority to trust was written", "file", a.path)
	}
	a.written = bundle
	return nil
}

// claim locks the file and reports whether it holds bundle already. That another server holds the lock is an error unless it does.
func (a *Announcement) claim(bundle []byte) (there bool, err error) {
	a.release() // the lock is not ours to take twice
	info, err := os.Lstat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file", a.path)
	}
	file, err := os.Open(a.path)
	if err != nil {
		return false, err
	}
	locked := lock(file)
	text, err := io.ReadAll(io.LimitReader(file, int64(len(bundle))+1))
	there = bytes.Equal(text, bundle)
	if err == nil && !locked && !there {
		err = fmt.Errorf("a server that is running announces another authority in %s; give each a file of its own", a.path)
	}
	if err != nil || !locked {
		_ = file.Close()
		return there, err
	}
	a.held = file
	return there, nil
}

func (a *Announcement) release() {
	if a.held != nil {
		_ = a.held.Close()
		a.held = nil
	}
}
