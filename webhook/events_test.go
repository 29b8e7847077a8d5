package webhook

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// eventsHandler serves /events alone, and returns what take was given.
func eventsHandler(t *testing.T, take func(context.Context, io.Reader)) *Handler {
	t.Helper()
	h, err := NewHandler([]Endpoint{Events(take)}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func postEvents(h http.Handler, method string, body io.Reader) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/events?timeout=30s", body))
	return w
}

// zeros is a body of which it can be told how much of it was read.
type zeros struct {
	left int64
}

func (r *zeros) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.left)
	r.left -= n
	return int(n), nil
}

// What is sent is taken whatever it is, or the API server would send it for ever; and of no list is more read than what is allowed.
func TestEventsAreTakenWhateverTheyAre(t *testing.T) {
	for _, c := range []struct {
		name string
		body int64
		take func(io.Reader) int64 // how much it read
		want int64
	}{
		{"all is read", 1000, func(r io.Reader) int64 { n, _ := io.Copy(io.Discard, r); return n }, 1000},
		{"nothing is read", 1000, func(io.Reader) int64 { return 0 }, 0},
		{"too much is sent", maxEvents + 5<<20, func(r io.Reader) int64 { n, _ := io.Copy(io.Discard, r); return n }, maxEvents},
		{"it panics", 1000, func(io.Reader) int64 { panic("torn") }, 0},
	} {
		body := &zeros{left: c.body}
		got := int64(0)
		w := postEvents(eventsHandler(t, func(_ context.Context, list io.Reader) { got = c.take(list) }), http.MethodPost, body)
		if w.Code != http.StatusOK || w.Body.String() != "{}" || got != c.want || body.left != 0 {
			t.Errorf("%s: %d %s, %d bytes were read of the list, %d left", c.name, w.Code, w.Body, got, body.left)
		}
	}
}

func TestEventsAreSentByPOST(t *testing.T) {
	h := eventsHandler(t, func(context.Context, io.Reader) { t.Error("it was read") })
	if w := postEvents(h, http.MethodGet, nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestFewListsOfEventsAreReadAtOnce(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	h := eventsHandler(t, func(context.Context, io.Reader) {
		begun <- struct{}{}
		<-release
	})
	done := make(chan int, eventLists)
	for range eventLists {
		go func() { done <- postEvents(h, http.MethodPost, strings.NewReader("{}")).Code }()
		<-begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the third has no patience
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/events", strings.NewReader("{}")).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(release)
	for range eventLists {
		if code := <-done; code != http.StatusOK {
			t.Error(code)
		}
	}
}
