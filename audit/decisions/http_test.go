package decisions

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// receiver takes decision logs as OPA's service does.
type receiver struct {
	*httptest.Server
	ca string // a file

	mu      sync.Mutex
	answer  func(call int, records []Record) int // the status; nil is 200
	calls   int
	batches [][]Record
	tokens  []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	r.ca = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(r.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	var records []Record
	text, err := gzip.NewReader(req.Body)
	if err == nil {
		err = json.NewDecoder(text).Decode(&records)
	}
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Encoding") != "gzip" || req.Header.Get("Content-Type") != "application/json" {
		http.Error(w, fmt.Sprint("no decision log ", err), http.StatusTeapot)
		return
	}
	r.tokens = append(r.tokens, req.Header.Get("Authorization"))
	code := http.StatusOK
	if r.answer != nil {
		code = r.answer(r.calls, records)
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "7")
	}
	if code/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(code)
	if code == http.StatusOK {
		r.batches = append(r.batches, records)
		return
	}
	_ = json.NewEncoder(w).Encode(records) // it says what it was sent
}

// sender is a sink to the receiver that does not wait, and remembers for how long it would have.
func (r *receiver) sender(t *testing.T, opts HTTPOptions) (*HTTP, *[]time.Duration) {
	t.Helper()
	opts.URL, opts.CAFile = r.URL+"/logs", r.ca
	h, err := NewHTTP(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	var pauses []time.Duration
	h.pause = func(ctx context.Context, d time.Duration) bool {
		pauses = append(pauses, d)
		return ctx.Err() == nil
	}
	return h, &pauses
}

func line(id string) string { return `{"decision_id":"` + id + `","path":"validate"}` }

func TestBatchesAreSentAsOPASendsThem(t *testing.T) {
	r := newReceiver(t)
	token := filepath.Join(t.TempDir(), "token")
	_ = os.WriteFile(token, []byte("one\n"), 0o600)
	h, _ := r.sender(t, HTTPOptions{TokenFile: token})
	put(t, h, line("a"), line("b"))
	_ = os.WriteFile(token, []byte("two"), 0o600)
	put(t, h, line("c"))
	if fmt.Sprint(r.tokens) != "[Bearer one Bearer two]" || len(r.batches) != 2 || len(r.batches[0]) != 2 || r.batches[0][1].DecisionID != "b" {
		t.Errorf("it received %+v with %q", r.batches, r.tokens)
	}
}

func TestAReceiverThatIsDownIsTriedAgain(t *testing.T) {
	r := newReceiver(t)
	var log bytes.Buffer
	h, pauses := r.sender(t, HTTPOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	codes := []int{500, 503, 401, 404, 301, 302, 429, 408, 500, 500, 500, 200}
	r.answer = func(call int, _ []Record) int { return codes[call-1] }
	put(t, h, line("a"))
	if r.calls != len(codes) || len(*pauses) != len(codes)-1 {
		t.Fatalf("it was tried %d times", r.calls)
	}
	whole := firstPause
	for i, pause := range *pauses {
		if codes[i] == 429 {
			if pause < 7*time.Second {
				t.Errorf("it asked for 7 s, and the pause is %s", pause)
			}
		} else if pause < whole/2 || pause > whole {
			t.Errorf("pause %d is %s, want half to all of %s", i, pause, whole)
		}
		whole = min(2*whole, lastPause)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `level=WARN msg="decision records cannot be sent; they wait, and are lost when too many do"`) ||
		!strings.Contains(lines[0], `error="it answers with status 500"`) || !strings.Contains(lines[1], `level=INFO msg="decision records are sent again"`) {
		t.Errorf("the log says %s", log.String())
	}
}

func TestARecordThatWillNeverBeTakenIsLostByItself(t *testing.T) {
	for _, code := range []int{400, 413, 415, 422} {
		r := newReceiver(t)
		var log bytes.Buffer
		h, pauses := r.sender(t, HTTPOptions{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		r.answer = func(_ int, records []Record) int {
			for _, record := range records {
				if record.DecisionID == canary {
					return code
				}
			}
			return 200
		}
		lost, err := h.Write(bytesOf([]string{line("a"), line("b"), line(canary), line("d"), line("e")}))
		var got []string
		for _, batch := range r.batches {
			for _, record := range batch {
				got = append(got, record.DecisionID)
			}
		}
		if lost != 1 || err == nil || fmt.Sprint(got) != "[a b d e]" || len(*pauses) != 0 {
			t.Errorf("%d: %d lost, %v, received %q", code, lost, err, got)
		}
		if strings.Contains(log.String()+err.Error(), canary) {
			t.Errorf("what was sent is in %s, or in %v", log.String(), err)
		}
	}
}

// What cannot be sent holds up the end no longer than it may, and is counted.
func TestAReceiverThatIsDownDoesNotHoldUpTheEnd(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(int, []Record) int { return 500 }
	h, err := NewHTTP(t.Context(), HTTPOptions{URL: r.URL, CAFile: r.ca})
	if err != nil {
		t.Fatal(err)
	}
	paused := make(chan struct{})
	h.pause = func(ctx context.Context, _ time.Duration) bool {
		select {
		case paused <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return false
	}
	done := make(chan int)
	go func() {
		lost, _ := h.Write(bytesOf([]string{line("a"), line("b")}))
		done <- lost
	}()
	<-paused
	_ = h.Close()
	if lost := <-done; lost != 2 {
		t.Errorf("%d lost", lost)
	}
}

func TestAnAuthorityThatIsReplacedIsFollowed(t *testing.T) {
	r := newReceiver(t)
	good, err := os.ReadFile(r.ca)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := r.sender(t, HTTPOptions{})
	_ = os.WriteFile(r.ca, []byte("torn"), 0o600)
	h.pause = func(context.Context, time.Duration) bool {
		_ = os.WriteFile(r.ca, good, 0o600)
		return true
	}
	if put(t, h, line("a")); len(r.batches) != 1 {
		t.Errorf("it received %+v", r.batches)
	}
}

func TestWhomRecordsMayBeSentTo(t *testing.T) {
	empty, missing := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "missing")
	_ = os.WriteFile(empty, []byte("\n"), 0o600)
	const address = "it is not an address such as https://logs.example.com/logs; credentials go into a file"
	for _, c := range []struct {
		opts HTTPOptions
		want string
	}{
		{HTTPOptions{URL: "https://logs.example.com/logs?x=y"}, ""},
		{HTTPOptions{URL: "http://127.0.0.1:9/logs"}, ""},
		{HTTPOptions{URL: "http://localhost:9/logs"}, ""},
		{HTTPOptions{URL: "http://logs.example.com/logs"}, "records hold what objects hold, and go to other machines by https alone"},
		{HTTPOptions{URL: ""}, address},
		{HTTPOptions{URL: "logs.example.com"}, address},
		{HTTPOptions{URL: "ftp://logs.example.com"}, address},
		{HTTPOptions{URL: "https://me:secret@logs.example.com"}, address},
		{HTTPOptions{URL: "https://logs.example.com", CAFile: empty}, empty + " holds no certificate in PEM"},
		{HTTPOptions{URL: "https://logs.example.com", CAFile: missing}, "open " + missing + ": no such file or directory"},
		{HTTPOptions{URL: "https://logs.example.com", TokenFile: missing}, "open " + missing + ": no such file or directory"},
		{HTTPOptions{URL: "https://logs.example.com", TokenFile: empty}, empty + " holds no token: it must be one line of visible ASCII"},
	} {
		_, err := NewHTTP(t.Context(), c.opts)
		if got := fmt.Sprint(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("%+v: %v, want %s", c.opts, err, c.want)
		}
	}
}

// Credentials and what is erased reach neither the receiver nor the log, however the receiver answers.
func TestNoCanaryLeavesByHTTP(t *testing.T) {
	r := newReceiver(t)
	r.answer = func(call int, _ []Record) int { return []int{500, 400, 200}[min(call-1, 2)] }
	var log bytes.Buffer
	h, _ := r.sender(t, HTTPOptions{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	erase, err := ParseErasures([]string{environment})
	if err != nil {
		t.Fatal(err)
	}
	recorder := New(h, Options{Erase: erase, Batch: BatchHTTP})
	for _, req := range []*review.Request{
		tokenReview(t, canary),
		question(t, "u", "secrets", `"object":{"data":{"x":"`+canary+`"}}`),
		question(t, "u", "pods", `"object":{"spec":{"containers":[{"env":[{"value":"`+canary+`"}]}]}}`),
	} {
		recorder.Hear(req, review.Decision{Findings: []review.Finding{{Message: "it is " + canary}}}, nil, time.Now())
		recorder.Hear(req, review.Decision{}, io.ErrUnexpectedEOF, time.Now())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := recorder.Start(ctx); err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(r.batches)
	if err != nil || len(r.batches) < 2 || strings.Contains(string(all)+log.String(), canary) {
		t.Errorf("%d batches %s, the log %s", len(r.batches), all, log.String())
	}
}
