package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// reader reads logs into batches.
type reader struct {
	o       *Options
	room    *room
	to      []chan *batch // each batch goes to all of them, in this order
	filling *batch
	read    atomic.Int64
	lines   int
}

// all reads the logs, one after the other. An error is that one cannot be opened; one that cannot be read to its end is a line that cannot be
// replayed.
func (r *reader) all(ctx context.Context, logs []Source) error {
	for _, log := range logs {
		if err := r.log(ctx, log); err != nil {
			return err
		}
	}
	return r.hand(ctx)
}

func (r *reader) log(ctx context.Context, log Source) error {
	file, err := log.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	text := bufio.NewReaderSize(&counting{file, &r.read}, 64<<10)
	plain := io.Reader(text)
	if magic, _ := text.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			return r.add(ctx, line{place: Place{log.Name, 1}, why: unreadable(err)})
		}
		plain = unpacked
	}
	for l, err := range decisions.Lines(plain) {
		next := line{place: Place{log.Name, l.Number}}
		var wrong *decisions.LineError
		switch {
		case errors.As(err, &wrong):
			next.place.Line, next.why = wrong.Line, wrong.Err.Error()
		case err != nil:
			next.why = unreadable(err)
		default:
			next.text = bytes.Clone(l.Text)
		}
		if err := r.add(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

func unreadable(err error) string {
	return bounded(fmt.Sprintf("the log cannot be read from here on: %v", err))
}

// add puts a line into the batch, and hands that on when it is full.
func (r *reader) add(ctx context.Context, l line) error {
	r.lines++
	if r.filling != nil && (len(r.filling.lines) >= batchLines || r.filling.bytes+len(l.text) > batchBytes) {
		if err := r.hand(ctx); err != nil {
			return err
		}
	}
	if r.filling == nil {
		r.filling = &batch{done: make(chan struct{})}
	}
	r.filling.lines = append(r.filling.lines, l)
	r.filling.bytes += len(l.text)
	return nil
}

func (r *reader) hand(ctx context.Context) error {
	b := r.filling
	if b == nil {
		return nil
	}
	r.filling = nil
	r.room.take(b.bytes)
	for _, to := range r.to {
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if r.o.Progress != nil {
		r.o.Progress(Progress{Bytes: r.read.Load(), Lines: r.lines})
	}
	return nil
}

// counting counts what is read.
type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// room is how much text there may be between the reader and the report.
type room struct {
	mu     sync.Mutex
	freed  *sync.Cond
	left   int
	whole  int
	closed bool
}

func newRoom(size int) *room {
	r := &room{left: size, whole: size}
	r.freed = sync.NewCond(&r.mu)
	return r
}

// take waits until there is room; for what is larger than all of it, until there is nothing else.
func (r *room) take(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.closed && r.left < n && r.left < r.whole {
		r.freed.Wait()
	}
	r.left -= n
}

func (r *room) give(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
	r.freed.Broadcast()
}

// close has nobody wait any more.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.freed.Broadcast()
}
