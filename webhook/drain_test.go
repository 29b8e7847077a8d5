package webhook

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/review"
)

// roll replaces the server behind a Service the given number of times under load. Each time the new one is ready before the old
// one is told to end, and the Service follows only some time later. It returns how many requests were sent and what failed.
func roll(t *testing.T, restarts int, drain time.Duration, http2 bool) (int64, []error) {
	t.Helper()
	const lag = 200 * time.Millisecond
	ca := newAuthority(t)
	protocols := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}
	h := handler(t, allowing())
	serve := func() *running {
		return start(t, ca, Options{Drain: drain, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Proto != protocols[http2] {
				t.Errorf("the caller speaks %s", r.Proto)
			}
			h.ServeHTTP(w, r)
		})})
	}
	var svc service
	old := serve()
	svc.point(old.addr)
	client := svc.caller(t, ca, http2)

	end := make(chan struct{}) // no context: the end of the load is no failure of a request under way
	over := func() bool {
		select {
		case <-end:
			return true
		default:
			return false
		}
	}
	ctx := t.Context()
	var (
		sent atomic.Int64
		wg   sync.WaitGroup
		mu   sync.Mutex
		bad  []error
	)
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; !over(); i++ {
				if err := ask(ctx, client, types.UID(fmt.Sprintf("%d-%d", worker, i))); err != nil {
					mu.Lock()
					bad = append(bad, err)
					mu.Unlock()
				}
				sent.Add(1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	for range restarts {
		before := sent.Load()
		eventually(t, "there is load", func() bool { return sent.Load() > before+20 })
		next := serve()
		old.stop()
		time.Sleep(lag)
		svc.point(next.addr)
		if err := <-old.done; err != nil {
			t.Error(err)
		}
		old = next
	}
	before := sent.Load()
	eventually(t, "the load goes on", func() bool { return sent.Load() > before+20 })
	close(end)
	wg.Wait()
	return sent.Load(), bad
}

// TestRollingRestarts loses no request. The drain is five times the Service's lag here; in earnest it is 20 seconds.
func TestRollingRestarts(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			sent, failed := roll(t, 5, time.Second, http2)
			t.Logf("%d requests", sent)
			if len(failed) > 0 {
				t.Errorf("%d of %d requests failed, the first one with: %v", len(failed), sent, failed[0])
			}
		})
	}
}

// TestRollingRestartsWithoutDrain is the control of TestRollingRestarts: without the drain, requests do fail while the Service still
// points to who is gone.
func TestRollingRestartsWithoutDrain(t *testing.T) {
	if sent, failed := roll(t, 1, -1, false); len(failed) == 0 {
		t.Errorf("all of %d requests were answered, so TestRollingRestarts proves nothing", sent)
	}
}

// exchangeOn sends a review on conn. It returns the answer's code and whether the connection is to be closed after it.
func exchangeOn(conn net.Conn, in *bufio.Reader) (code int, closing bool, err error) {
	if _, err := fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(admission), admission); err != nil {
		return 0, false, err
	}
	answer, err := readAnswer(in)
	return answer.code, answer.closing, err
}

// TestDrainAnnouncesTheEnd follows one idle connection through the end of a server: with the drain it gets an answer that says to
// close it, and without, which is what http.Server.Shutdown does alone, the request sent in good faith is lost.
func TestDrainAnnouncesTheEnd(t *testing.T) {
	for _, drain := range []time.Duration{2 * time.Second, -1} {
		t.Run(drain.String(), func(t *testing.T) {
			s := start(t, newAuthority(t), Options{Handler: handler(t, allowing()), Drain: drain})
			conn := s.dial(t)
			in := bufio.NewReader(conn)
			if _, closing, err := exchangeOn(conn, in); err != nil || closing {
				t.Fatalf("the first request: %v", err)
			}
			s.stop()
			if drain < 0 {
				if err := <-s.done; err != nil {
					t.Error(err)
				}
				if _, _, err := exchangeOn(conn, in); err == nil {
					t.Error("the request was answered, so the drain is for nothing")
				}
				return
			}
			eventually(t, "the server drains", func() bool { return s.Ready() != nil })
			if err := s.Ready(); err.Error() != "the server is draining" {
				t.Error(err)
			}
			if code, closing, err := exchangeOn(conn, in); err != nil || code != http.StatusOK || !closing {
				t.Errorf("an idle connection while draining: %d, closing: %t, %v", code, closing, err)
			}
			fresh := s.dial(t) // callers that have not heard yet still come
			if code, closing, err := exchangeOn(fresh, bufio.NewReader(fresh)); err != nil || code != http.StatusOK || !closing {
				t.Errorf("a new connection while draining: %d, closing: %t, %v", code, closing, err)
			}
			if err := <-s.done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRequestsInFlightSurvive has one request under way when the end comes, told to close although it began before.
func TestRequestsInFlightSurvive(t *testing.T) {
	hold := newHolding()
	s := start(t, newAuthority(t), Options{Handler: handler(t, hold), Drain: 50 * time.Millisecond})
	conn := s.dial(t)
	type result struct {
		code    int
		closing bool
		err     error
	}
	done := make(chan result, 1)
	go func() {
		code, closing, err := exchangeOn(conn, bufio.NewReader(conn))
		done <- result{code, closing, err}
	}()
	<-hold.started
	s.stop()
	time.Sleep(200 * time.Millisecond)
	close(hold.release)
	if r := <-done; r.err != nil || r.code != http.StatusOK || !r.closing {
		t.Errorf("%+v", r)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
}

// TestShutdownGivesUp on requests that take longer than it may.
func TestShutdownGivesUp(t *testing.T) {
	hold := newHolding()
	defer close(hold.release)
	s := start(t, newAuthority(t), Options{Handler: handler(t, hold), Shutdown: 50 * time.Millisecond})
	conn := s.dial(t)
	go func() { _, _, _ = exchangeOn(conn, bufio.NewReader(conn)) }()
	<-hold.started
	s.stop()
	err := <-s.done
	if want := "webhook server: requests were still in flight 50ms after the drain and have been cut off: context deadline exceeded"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCallersAskAgain: the API server's client repeats what was answered with 503 and Retry-After, so a replica whose policies take a
// moment to load fails nothing. Without the header it does not: the control.
func TestCallersAskAgain(t *testing.T) {
	for name, header := range map[string]bool{"with Retry-After": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			h := handler(t, review.ReviewerFunc(func(context.Context, *review.Request) (review.Decision, error) {
				if asked.Add(1) == 1 {
					return review.Decision{}, review.Unavailable("no policies are loaded yet")
				}
				return review.Decision{Verdict: review.Allow}, nil
			}))
			ca := newAuthority(t)
			s := start(t, ca, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !header {
					w = forgetful{w}
				}
				h.ServeHTTP(w, r)
			})})
			var svc service
			svc.point(s.addr)
			err := ask(t.Context(), svc.caller(t, ca, false), "u")
			if (err == nil) != header {
				t.Errorf("got %v", err)
			}
		})
	}
}

// forgetful leaves Retry-After out.
type forgetful struct{ http.ResponseWriter }

func (f forgetful) WriteHeader(code int) {
	f.Header().Del("Retry-After")
	f.ResponseWriter.WriteHeader(code)
}
