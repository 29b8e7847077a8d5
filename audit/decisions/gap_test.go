package decisions

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// gapsOf lists the gaps in a log.
func gapsOf(t *testing.T, text []byte) (gaps []Gap) {
	t.Helper()
	for r, err := range Read(bytes.NewReader(text)) {
		var line *LineError
		if err != nil && !errors.As(err, &line) {
			t.Fatal(err)
		}
		if r.Path == PathGap {
			gaps = append(gaps, *r.Gap)
		}
	}
	return gaps
}

func TestWhatIsLostIsRecordedAsAGap(t *testing.T) {
	reqs, _ := many(t, 5, `"object":{"x":"`+strings.Repeat("x", maxBatch)+`"}`)
	// u-1 and u-2 are lost; the gap that tells of them is, too, the first time.
	out := writes{fail: func(call int, p []byte) (int, error) {
		if call >= 2 && call <= 4 {
			return 0, errFull
		}
		return len(p), nil
	}}
	r := recorded(t, &out, reqs, review.Decision{}, nil)
	// The clock steps by a millisecond when a question comes and when it is answered.
	base := time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)
	want := Gap{From: base.Add(3 * time.Millisecond), To: base.Add(5 * time.Millisecond), Lost: 2}
	if gaps := gapsOf(t, out.text.Bytes()); len(gaps) != 1 || gaps[0] != want || r.Dropped() != 2 || r.Written() != 3 || r.Waiting() != 0 {
		t.Errorf("gaps %+v, want %+v; %d dropped, %d written, %d wait", gaps, want, r.Dropped(), r.Written(), r.Waiting())
	}
}

// outage is a load of 500 answers a second for half a minute, on a sink that is away for a while after five seconds.
type outage struct {
	down time.Duration
	lies bool // the sink says that it has kept what it lost
	over bool // it refuses what comes meanwhile, instead of keeping it waiting
}

const (
	outageAfter = 5 * time.Second
	outageTick  = 2 * time.Millisecond
)

// run returns how many answers were heard, how many of them the log has, and how many it says are lost. It is to be called in a bubble.
func (o outage) run(t *testing.T) (heard, kept, told uint64, r *Recorder) {
	var out bytes.Buffer
	begun := time.Now()
	sink := sinkFunc(func(lines [][]byte) (int, error) {
		at := time.Since(begun)
		switch away := at >= outageAfter && at < outageAfter+o.down; {
		case away && o.lies:
			return 0, nil
		case away && o.over:
			return len(lines), errFull
		case away:
			time.Sleep(outageAfter + o.down - at) // as a receiver that is tried again and again
		}
		return Stream(&out).Write(lines)
	})
	r = New(sink, Options{Linger: time.Second})
	go func() { _ = r.Start(t.Context()) }()
	req := question(t, "u", "pods", `"object":{}`)
	for ; time.Since(begun) < 30*time.Second; time.Sleep(outageTick) {
		r.Hear(req, review.Decision{}, nil, time.Now())
		heard++
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	for _, g := range gapsOf(t, out.Bytes()) {
		told += g.Lost
		if g.From.Before(begun.Add(outageAfter-time.Second)) || g.To.Before(g.From) || g.To.After(begun.Add(outageAfter+o.down+outageTick)) {
			t.Errorf("down %s: the gap is %+v", o.down, g)
		}
	}
	return heard, uint64(len(idsOf(out.String()))), told, r
}

// A sink that is down for a while under load: what is lost is counted exactly, by the counter and by the gaps in the log.
func TestWhatIsLostWhileTheSinkIsDownIsCountedExactly(t *testing.T) {
	for _, o := range []outage{{}, {down: time.Second}, {down: 20 * time.Second}, {down: time.Second, over: true}, {down: 20 * time.Second, over: true}} {
		synctest.Test(t, func(t *testing.T) {
			heard, kept, told, r := o.run(t)
			if kept != r.Written() || told != r.Dropped() || kept+told != heard {
				t.Errorf("%+v: heard %d, kept %d (counted %d), lost %d (counted %d)", o, heard, kept, r.Written(), told, r.Dropped())
			}
			// 4096 wait, which is 8 seconds.
			if lost := o.down > 0 && (o.over || o.down > 10*time.Second); lost != (told > 0) {
				t.Errorf("%+v: %d lost", o, told)
			}
		})
	}
}

// The drill would notice a loss that nobody counts.
func TestALossThatIsNotToldIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if heard, kept, told, _ := (outage{down: time.Second, lies: true}).run(t); kept+told == heard {
			t.Errorf("of %d answers %d are kept and %d are said to be lost, though a second of them was thrown away", heard, kept, told)
		}
	})
}

// sinkFunc is a function that is a Sink.
type sinkFunc func(lines [][]byte) (int, error)

func (f sinkFunc) Write(lines [][]byte) (int, error) { return f(lines) }
func (f sinkFunc) Close() error                      { return nil }
