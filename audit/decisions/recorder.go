// Package decisions keeps what was decided. Its Recorder writes every answer as a line of JSON in the shape of OPA's decision logs, with
// credentials and the contents of Secrets masked.
package decisions

import (
	"context"
	"crypto/rand"
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

// Options are what a Recorder may be told; the zero value has every answer recorded at once.
type Options struct {
	// Allows is the share, from 0 to 1, of answers that are recorded among those that neither refuse nor find anything nor fail. Which are is a
	// matter of their IDs alone. Nil is all.
	Allows *float64
	// Erase says what is taken out of every record beside credentials and what Secrets hold.
	Erase Erasures
	// Credentials names credentials; nil names none.
	Credentials *Credentials
	// Linger is how long a record may wait for others to be written with it; 0 has each written as soon as none waits behind it.
	Linger time.Duration
	// Batch is how many bytes are gathered for one Write of the Sink, unless one record alone is larger; 0 is 64 KiB.
	Batch int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Recorder hears of every answer, never blocks a request, and drops and counts what it cannot keep up with; as soon as it can, it records how many
// there were, as a Gap. Make one with New.
type Recorder struct {
	sink    Sink
	opts    Options
	queue   chan entry
	mu      sync.RWMutex // held to read while something is put into the queue
	ended   bool         // nothing put into the queue would be written any more
	queued  atomic.Int64 // bytes of reviews in the queue
	dropped atomic.Uint64
	failed  atomic.Uint64
	passed  atomic.Uint64
	written atomic.Uint64
	waiting atomic.Int64 // records that are neither written nor counted as lost
	gap     gap

	settling  sync.Mutex
	abandoned bool // what was waiting has been counted as lost
}

// entry is what waits to be recorded: an answer, or an event.
type entry struct {
	req      *review.Request
	decision review.Decision
	err      error
	event    *Event
	at       time.Time
	took     time.Duration
	sampled  float64 // 0 where all of its kind are recorded
	// credential is that of an event; that of a review is in it.
	credential string
}

// size is about what the entry takes of memory, in bytes.
func (e entry) size() int64 {
	if e.event != nil {
		return eventSize
	}
	return int64(len(e.req.Body))
}

// New returns a Recorder that writes to sink, from one goroutine.
func New(sink Sink, opts Options) *Recorder {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Batch == 0 {
		opts.Batch = maxBatch
	}
	return &Recorder{sink: sink, opts: opts, queue: make(chan entry, maxQueued)}
}

// NewRecorder returns a Recorder that writes to out, one Write a batch of lines, from one goroutine.
func NewRecorder(out io.Writer, now func() time.Time) *Recorder {
	return New(Stream(out), Options{Now: now})
}

// Dropped counts the answers of which no record was written: for want of room, because writing failed, or because they came after the end.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() + r.failed.Load() }

// Written counts the records that were written, without those of gaps.
func (r *Recorder) Written() uint64 { return r.written.Load() }

// Passed counts the answers of which no record was wanted, as Options.Allows says.
func (r *Recorder) Passed() uint64 { return r.passed.Load() }

// Waiting is how many records are still to be written.
func (r *Recorder) Waiting() int64 { return r.waiting.Load() }

// Hear has an answer to req recorded: a decision or, if err is not nil, that there was none. start is when the question came. Who calls it
// is who gives the answer, since a Reviewer does not know whether its own came in time. It never blocks.
func (r *Recorder) Hear(req *review.Request, d review.Decision, err error, start time.Time) {
	e := entry{req: req, decision: d, err: err, at: start, took: r.opts.Now().Sub(start)}
	if err == nil && d.Verdict != review.Deny && len(d.Findings) == 0 && !r.sample(string(req.ID), &e) {
		return
	}
	r.hear(e)
}

// sample reports whether an entry that may be left out is recorded, and notes on it by which share of them.
func (r *Recorder) sample(id string, e *entry) bool {
	if r.opts.Allows == nil || *r.opts.Allows >= 1 {
		return true
	}
	if e.sampled = *r.opts.Allows; chosen(id, e.sampled) {
		return true
	}
	r.passed.Add(1)
	return false
}

func (r *Recorder) hear(e entry) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.ended && r.enqueue(e) {
		return
	}
	r.dropped.Add(1)
	r.gap.add(e.at, e.at, 1)
}

// enqueue reports whether there was room.
func (r *Recorder) enqueue(e entry) bool {
	size := e.size()
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
	lost := r.abandon()
	_ = r.sink.Close()
	if lost > 0 {
		return fmt.Errorf("the decision log takes nothing any more: %d records were not written", lost)
	}
	return nil
}

// run writes what is put into the queue until last is closed and the queue is empty.
func (r *Recorder) run(last <-chan struct{}) {
	var b batch
	timer := time.NewTimer(r.opts.Linger) // runs while records wait for others
	timer.Stop()
	for {
		select {
		case e := <-r.queue:
			began := len(b.lines) == 0
			r.write(&b, e)
			switch {
			case len(b.lines) == 0: // written already
				timer.Stop()
			case r.opts.Linger == 0 && len(r.queue) == 0:
				r.flush(&b)
			case r.opts.Linger > 0 && began:
				timer.Reset(r.opts.Linger)
			}
		case <-timer.C:
			r.flush(&b)
		case <-last:
			for {
				select {
				case e := <-r.queue:
					r.write(&b, e)
				default:
					r.flush(&b)
					return
				}
			}
		}
	}
}

// write makes a record's line, and writes it with those gathered if they are many. One that cannot be made is lost.
func (r *Recorder) write(b *batch, e entry) {
	r.queued.Add(-e.size())
	line, err := json.Marshal(r.record(e))
	if err != nil {
		r.gap.add(e.at, e.at, 1)
		r.settle(1, 1)
		return
	}
	b.add(line, e.at)
	if b.size >= r.opts.Batch {
		r.flush(b)
	}
}

// flush writes what is gathered, and before it what was lost since.
func (r *Recorder) flush(b *batch) {
	r.tellGap()
	if len(b.lines) == 0 {
		return
	}
	lost, _ := r.sink.Write(b.lines) // its error is told by the Sink, whose it is
	lost = min(max(lost, 0), len(b.lines))
	if lost > 0 {
		r.gap.add(b.from, b.to, uint64(lost))
	}
	r.settle(len(b.lines), lost)
	*b = batch{}
}

// tellGap records what was lost, or remembers it for the next time.
func (r *Recorder) tellGap() {
	g, any := r.gap.take()
	if !any {
		return
	}
	line, err := json.Marshal(Record{DecisionID: rand.Text(), Timestamp: r.opts.Now().UTC(), Path: PathGap, Gap: &g})
	if err == nil {
		if lost, _ := r.sink.Write([][]byte{line}); lost == 0 {
			return
		}
	}
	r.gap.add(g.From, g.To, g.Lost)
}

// settle takes records off those that wait; lost of them were not written.
func (r *Recorder) settle(records, lost int) {
	r.settling.Lock()
	defer r.settling.Unlock()
	if !r.abandoned {
		r.waiting.Add(int64(-records))
		r.failed.Add(uint64(lost))            //nolint:gosec // never negative
		r.written.Add(uint64(records - lost)) //nolint:gosec // never negative
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

// maxBatch bounds what is gathered for one Write, unless Options say otherwise.
const maxBatch = 64 << 10

// batch gathers lines for one Write.
type batch struct {
	lines    [][]byte
	size     int
	from, to time.Time // of the records' questions
}

func (b *batch) add(line []byte, at time.Time) {
	if len(b.lines) == 0 || at.Before(b.from) {
		b.from = at
	}
	if at.After(b.to) {
		b.to = at
	}
	b.lines = append(b.lines, line)
	b.size += len(line) + 1
}
