// Package audit keeps what was decided. Its Recorder writes every answer as a line of JSON in the shape of OPA's decision logs, with
// credentials and the contents of Secrets masked.
package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
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

// Recorder hears of every answer, never blocks a request, and drops and counts what it cannot keep up with. Make one with NewRecorder.
type Recorder struct {
	out     io.Writer
	now     func() time.Time
	queue   chan entry
	queued  atomic.Int64 // bytes of reviews in the queue
	dropped atomic.Uint64
	failed  atomic.Uint64
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

// Dropped counts the answers of which no record was written: for want of room, or because writing failed.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() + r.failed.Load() }

// Around returns a Reviewer that asks next and records its answers.
func (r *Recorder) Around(next review.Reviewer) review.Reviewer {
	return review.ReviewerFunc(func(ctx context.Context, req *review.Request) (review.Decision, error) {
		start := r.now()
		d, err := next.Review(ctx, req)
		r.hear(entry{req: req, decision: d, err: err, at: start, took: r.now().Sub(start)})
		return d, err
	})
}

func (r *Recorder) hear(e entry) {
	size := int64(len(e.req.Body))
	if r.queued.Add(size) > maxQueuedBytes {
		r.queued.Add(-size)
		r.dropped.Add(1)
		return
	}
	select {
	case r.queue <- e:
	default:
		r.queued.Add(-size)
		r.dropped.Add(1)
	}
}

// Start writes records until ctx ends, then those still waiting. A write that fails loses its records, which are counted; the next is
// tried all the same.
func (r *Recorder) Start(ctx context.Context) error {
	b := batch{out: r.out, lost: &r.failed}
	for {
		select {
		case e := <-r.queue:
			r.write(&b, e)
			if len(r.queue) == 0 {
				b.flush()
			}
		case <-ctx.Done():
			for {
				select {
				case e := <-r.queue:
					r.write(&b, e)
				default:
					b.flush()
					return nil
				}
			}
		}
	}
}

func (r *Recorder) write(b *batch, e entry) {
	r.queued.Add(-int64(len(e.req.Body)))
	line, err := json.Marshal(recordOf(e))
	if err != nil {
		r.failed.Add(1)
		return
	}
	b.add(line)
}

// maxBatch bounds what is gathered for one Write, unless one record alone is larger.
const maxBatch = 64 << 10

// batch gathers lines for one Write.
type batch struct {
	out  io.Writer
	lost *atomic.Uint64 // lines that were not written whole
	text []byte
	torn bool // the output ends within a line
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
	n, err := b.out.Write(text)
	if err == nil {
		b.torn = false
		return
	}
	if n = min(max(n, 0), len(text)); n > 0 {
		b.torn = text[n-1] != '\n'
	}
	for range bytes.Count(text[max(n, prefix):], []byte("\n")) {
		b.lost.Add(1)
	}
}

// record is one line, named as OPA names the fields of its decision logs.
type record struct {
	DecisionID string          `json:"decision_id"`
	Timestamp  time.Time       `json:"timestamp"`
	Revision   string          `json:"revision,omitempty"`
	Path       string          `json:"path"` // the stage
	Input      json.RawMessage `json:"input"`
	Erased     []string        `json:"erased,omitempty"` // JSON pointers into the record
	Result     *result         `json:"result,omitempty"`
	Error      string          `json:"error,omitempty"`
	Metrics    metrics         `json:"metrics"`
}

type result struct {
	Verdict  string          `json:"verdict"`
	Findings []finding       `json:"findings,omitempty"`
	User     string          `json:"user,omitempty"`
	Patch    json.RawMessage `json:"patch,omitempty"`
}

type finding struct {
	Policy    string            `json:"policy"`
	Effect    string            `json:"effect"`
	Message   string            `json:"message"`
	Field     string            `json:"field,omitempty"`
	Fault     bool              `json:"fault,omitempty"`
	Exception *review.Exception `json:"exception,omitempty"`
}

type metrics struct {
	Nanoseconds int64 `json:"timer_server_handler_ns"`
}

func recordOf(e entry) record {
	m := mask(e.req)
	out := record{
		DecisionID: string(e.req.ID),
		Timestamp:  e.at.UTC(),
		Revision:   e.decision.Revision,
		Path:       string(e.req.Stage),
		Input:      m.input,
		Erased:     m.erased,
		Metrics:    metrics{Nanoseconds: e.took.Nanoseconds()},
	}
	if out.DecisionID == "" {
		out.DecisionID = rand.Text()
	}
	if e.err != nil {
		out.Error = review.Sentence(hide(e.err.Error(), m.token), review.MaxMessage)
		return out
	}
	out.Result = &result{Verdict: e.decision.Verdict.String()}
	if !secret(e.req) {
		out.Result.Patch = e.decision.Patch
	}
	if e.decision.Identity != nil {
		out.Result.User = hide(e.decision.Identity.Username, m.token)
	}
	for _, f := range e.decision.Findings {
		out.Result.Findings = append(out.Result.Findings, finding{
			Policy: f.Policy, Effect: string(f.Effect), Message: hide(f.Message, m.token), Field: hide(f.Field, m.token), Fault: f.Fault,
			Exception: f.Exception,
		})
	}
	return out
}
