package certs

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is for changes nobody is told of: file systems without notification, and a directory that was itself replaced.
	pollEvery = 10 * time.Second
	// settle is how long a directory has to be quiet before it is read: who writes two files writes the second soon after.
	settle = 100 * time.Millisecond
)

// watch calls look whenever dir may have changed, until ctx ends. It watches the directory and not files in it: a Secret is
// updated by swapping the symbolic link ..data, careful writers rename over a file, and a watch on a file would be left on the
// old one. look must be cheap when nothing changed.
func watch(ctx context.Context, dir string, log *slog.Logger, look func()) {
	events, stop := notifications(dir, log)
	defer stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	var quiet <-chan time.Time
	look() // for what changed before the watch began
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events:
			if !open {
				events = nil // the poll remains
			}
			if quiet == nil {
				// Not set anew at each event: a directory that is never quiet would never be read.
				quiet = time.After(settle)
			}
		case <-quiet:
			quiet = nil
			look()
		case <-poll.C:
			look()
		}
	}
}

// notifications returns the directory's events, or a nil channel when the system offers none.
func notifications(dir string, log *slog.Logger) (<-chan fsnotify.Event, func()) {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		if err = watcher.Add(dir); err != nil {
			_ = watcher.Close()
		}
	}
	if err != nil {
		log.Info("changes of the directory are not announced; looking every 10 seconds instead", "dir", dir, "error", err)
		return nil, func() {}
	}
	go func() {
		for err := range watcher.Errors {
			log.Debug("watching a directory", "dir", dir, "error", err)
		}
	}()
	return watcher.Events, func() { _ = watcher.Close() }
}
