package replay

import (
	"context"
	"io"
	"sync"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// Source is a log.
type Source struct {
	Name string
	Open func() (io.ReadCloser, error)
}

const (
	batchLines = 64
	batchBytes = 1 << 20
	// inFlight bounds the text that is read and not yet compared: two of the longest lines, or some thousands of common ones. What is made of a
	// line takes some times its length, so that the whole stays below 1 GiB.
	inFlight = 2 * decisions.MaxLine
)

// batch is some lines, in order, and what came of them.
type batch struct {
	lines []line
	bytes int
	done  chan struct{}
	out   []outcome
}

type line struct {
	place Place
	text  []byte
	why   string
}

// Run reads the logs, asks what they hold again, and returns what would change. An error is that a log cannot be opened, or that ctx has ended;
// what cannot be read or compared is in the Report. The Report is the same however many workers there are.
func Run(ctx context.Context, logs []Source, o Options) (*Report, error) {
	if o.Workers = max(o.Workers, 1); o.Examples <= 0 {
		o.Examples = 3
	}
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work, ordered := make(chan *batch), make(chan *batch, 4*o.Workers)
	room := newRoom(inFlight)
	defer context.AfterFunc(ctx, room.close)()

	var running sync.WaitGroup
	running.Go(func() {
		defer close(work)
		defer close(ordered)
		if err := (&reader{o: &o, room: room, to: []chan *batch{ordered, work}}).all(ctx, logs); err != nil {
			stop(err)
		}
	})
	for range o.Workers {
		running.Go(func() {
			for b := range work {
				b.replay(ctx, &o)
				close(b.done)
			}
		})
	}
	report := newReport()
	for b := range ordered {
		select {
		case <-b.done:
			for i := range b.out {
				report.add(&b.out[i], o.Examples)
			}
			room.give(b.bytes)
		case <-ctx.Done():
		}
	}
	running.Wait()
	if err := outer.Err(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	report.finish()
	return report, nil
}

// replay asks what the lines hold again.
func (b *batch) replay(ctx context.Context, o *Options) {
	for _, l := range b.lines {
		for _, x := range l.exchanges(o) {
			x.place = l.place
			out := x.replayed(ctx, o)
			if ctx.Err() != nil { // what was cut short was not refused
				return
			}
			b.out = append(b.out, out)
		}
	}
}
