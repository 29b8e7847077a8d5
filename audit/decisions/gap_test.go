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

// A sink that is down for a while under load: what is lost is counted exactly, by the counter and by the gaps in the log.
func TestWhatIsLostWhileTheSinkIsDownIsCountedExactly(t *testing.T) {
	for _, down := range []time.Duration{0, time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			begun := time.Now()
			const before, tick = 5 * time.Second, 2 * time.Millisecond // 500 a second
			sink := sinkFunc(func(lines [][]byte) (int, error) {
				if at := time.Since(begun); at >= before && at < before+down {
					time.Sleep(before + down - at) // as a receiver that is tried again and again
				}
				return Stream(&out).Write(lines)
			})
			r := New(sink, Options{Linger: time.Second})
			go func() { _ = r.Start(t.Context()) }()
			heard := uint64(0)
			for time.Since(begun) < 30*time.Second {
				r.Hear(question(t, "u", "pods", `"object":{}`), review.Decision{}, nil, time.Now())
				heard++
				time.Sleep(tick)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			lost := uint64(0)
			for _, g := range gapsOf(t, out.Bytes()) {
				lost += g.Lost
				if g.From.Before(begun.Add(before)) || g.To.Before(g.From) || g.To.After(begun.Add(before+down+tick)) {
					t.Errorf("down %s: the gap is %+v", down, g)
				}
			}
			written := uint64(len(idsOf(out.String())))
			if written != r.Written() || lost != r.Dropped() || written+lost != heard {
				t.Errorf("down %s: heard %d, written %d (counted %d), lost %d (counted %d)", down, heard, written, r.Written(), lost, r.Dropped())
			}
			if wants := down > 10*time.Second; wants != (lost > 0) { // 4096 wait, which is 8 seconds
				t.Errorf("down %s: %d lost", down, lost)
			}
		})
	}
}

// sinkFunc is a function that is a Sink.
type sinkFunc func(lines [][]byte) (int, error)

func (f sinkFunc) Write(lines [][]byte) (int, error) { return f(lines) }
func (f sinkFunc) Close() error                      { return nil }
