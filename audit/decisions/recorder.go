// Package decisions keeps what was decided. Its Recorder writes every answer as a line of JSON in the shape of OPA's decision logs, with
// credentials and the contents of Secrets masked.
package decisions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// maxQueued and maxQueuedBytes bound what waits to be written: a second of a busy API server's requests, and no more memory than that
// many small reviews or a few of the largest need.
const (
	maxQueued      = 4096
	maxQueuedBytes = 64 << 20
)

// flushFor is how long the end waits for what is still to be written. All that may wait is written within it at 13 MB/s, and after a drain and a
// shutdown of the server it stays within a grace period of 60 seconds.
const flushFor = 5 * time.Second

// Recorder hears of every answer, never blocks a request, and drops and counts what it cannot keep up with. Make one with NewRecorder.
type Recorder struct {
	out     io.Writer
	now     func() time.Time
	queue   chan entry
	mu      sync.RWMutex // held to read while something is put into the queue
	ended   bool         // nothing put into the queue would be written any more
	queued  atomic.Int64 // bytes of reviews in the queue
	dropped atomic.Uint64
	failed  atomic.Uint64
	waiting atomic.Int64 // records that are neither written nor counted as lost

	settling  sync.Mutex
	abandoned bool // what was waiting has been counted as lost
}

type entry struct {
	req      *review.Request
	decision review.Decision
	err      error
	at       time.Time
	took     time.Duration
}

// NewRecorder returns a Recorder that writes to out, one Write a batch of lines, from one goroutine.
func NewRecorder(out io.Writer, now func() time.Time) *Recorder {
	return &Recorder{out: out, now: now, queue: make(chan entry, maxQueued)}
}

// Dropped counts the answers of which no record was written: for want of room, because writing failed, or because they came after the end.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() + r.failed.Load() }

// Hear has an answer to req recorded: a decision or, if err is not nil, that there was none. start is when the question came. Who calls it
// is who gives the answer, since a Reviewer does not know whether its own came in time. It never blocks.
func (r *Recorder) Hear(req *review.Request, d review.Decision, err error, start time.Time) {
	e := entry{req: req, decision: d, err: err, at: start, took: r.now().Sub(start)}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.ended && r.enqueue(e) {
		return
	}
	r.dropped.Add(1)
}

// enqueue reports whether there was room.
func (r *Recorder) enqueue(e entry) bool {
	size := int64(len(e.req.Body))
	r.waiting.Add(1)
	if r.queued.Add(size) <= maxQueuedBytes {
		select {
		case r.queue <- e:
			return true
		default:
		}
	}
	r.queued.Add(-size)
	r.waiting.Add(-1)
	return false
}

// Start writes records until ctx ends, then for at most five seconds those still waiting; what is heard after that is dropped. A write that
// fails loses its records, which are counted; the next is tried all the same. An error says how many records were left because the writer took
// nothing any more, as a pipe whose reader has stalled: a Write may then still be under way. It is called once.
func (r *Recorder) Start(ctx context.Context) error {
	last, written := make(chan struct{}), make(chan struct{})
	go func() { // a Write cannot be told to stop
		defer close(written)
		r.run(last)
	}()
	<-ctx.Done()
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	close(last)
	timer := time.NewTimer(flushFor)
	defer timer.Stop()
	select {
	case <-written:
		return nil
	case <-timer.C:
	}
	if lost := r.abandon(); lost > 0 {
		return fmt.Errorf("the decision log takes nothing any more: %d records were not written", lost)
	}
	return nil
}

// run writes what is put into the queue until last is closed and the queue is empty.
func (r *Recorder) run(last <-chan struct{}) {
	b := batch{out: r.out, settle: r.settle}
	for {
		select {
		case e := <-r.queue:
			r.write(&b, e)
			if len(r.queue) == 0 {
				b.flush()
			}
		case <-last:
			for {
				select {
				case e := <-r.queue:
					r.write(&b, e)
				default:
					b.flush()
					return
				}
			}
		}
	}
}

// settle takes records off those that wait; lost of them were not written.
func (r *Recorder) settle(records, lost int) {
	r.settling.Lock()
	defer r.settling.Unlock()
	if !r.abandoned {
		r.waiting.Add(int64(-records))
		r.failed.Add(uint64(lost)) //nolint:gosec // never negative
	}
}

// abandon counts what is waiting as lost, and returns how many records that are.
func (r *Recorder) abandon() uint64 {
	r.settling.Lock()
	defer r.settling.Unlock()
	r.abandoned = true
	lost := uint64(r.waiting.Load()) //nolint:gosec // never negative
	r.failed.Add(lost)
	return lost
}

func (r *Recorder) write(b *batch, e entry) {
	r.queued.Add(-int64(len(e.req.Body)))
	line, err := json.Marshal(recordOf(e))
	if err != nil {
		r.settle(1, 1)
		return
	}
	b.add(line)
}

// maxBatch bounds what is gathered for one Write, unless one record alone is larger.
const maxBatch = 64 << 10

// batch gathers lines for one Write.
type batch struct {
	out    io.Writer
	settle func(lines, lost int) // hears of every flush how many lines it had, and how many were not written whole
	text   []byte
	torn   bool // the output ends within a line
}

func (b *batch) add(line []byte) {
	b.text = append(append(b.text, line...), '\n')
	if len(b.text) >= maxBatch {
		b.flush()
	}
}

func (b *batch) flush() {
	if len(b.text) == 0 {
		return
	}
	text, prefix := b.text, 0
	if b.torn { // or the first line would be lost with the rest of that one
		text, prefix = append([]byte{'\n'}, text...), 1
	}
	if b.text = b.text[:0]; cap(b.text) > 4*maxBatch {
		b.text = nil // one large review should not be remembered by its size
	}
	lines := bytes.Count(text[prefix:], []byte("\n"))
	n, err := b.out.Write(text)
	if err == nil {
		b.torn = false
		b.settle(lines, 0)
		return
	}
	if n = min(max(n, 0), len(text)); n > 0 {
		b.torn = text[n-1] != '\n'
	}
	b.settle(lines, bytes.Count(text[max(n, prefix):], []byte("\n")))
}
