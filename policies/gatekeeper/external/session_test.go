package external

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/policies/language"
)

// told is an answer on one line.
func told(a language.ExternalAnswer) string {
	var items []string
	for _, item := range a.Items {
		items = append(items, fmt.Sprintf("%s=%v%s", item.Key, item.Value, item.Error))
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", a.StatusCode, strings.Join(items, ","), a.SystemError))
}

func TestFetch(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	var h heard
	p := providersOf(t, Options{Observer: &h}, spelled(server.URL, ca.bundle(), 5))
	session := p.Begin()
	for _, c := range []struct {
		provider string
		keys     []string
		want     string
	}{
		{"p", []string{"a", "bad", "ccc"}, "200 a=1,bad=<nil>bad it is,ccc=3"},
		{"p", []string{"ccc", "dddd", "dddd", "bad"}, "200 ccc=3,bad=<nil>bad it is,dddd=4"},
		{"p", nil, "200"},
		{"q", []string{"a"}, `400  there is no Provider "q"`},
		{"p", make([]string, 1001), "400  there are 1001 keys; one call may have 1000"},
		{"p", []string{strings.Repeat("x", 1<<20+1)}, "400  the keys are longer than 1024 KiB together"},
	} {
		if got := told(session.Fetch(t.Context(), c.provider, c.keys)); got != c.want {
			t.Errorf("%v: got %s, want %s", c.keys, got, c.want)
		}
	}
	// An error is not remembered beyond the review.
	if got := told(p.Begin().Fetch(t.Context(), "p", []string{"a", "bad"})); got != "200 a=1,bad=<nil>bad it is" {
		t.Error(got)
	}
	if want := [][]string{{"a", "bad", "ccc"}, {"dddd"}, {"bad"}}; !reflect.DeepEqual(server.asked(), want) {
		t.Errorf("asked for %v, want %v", server.asked(), want)
	}
	if h.calls != 3 || h.remembered != 3 || len(h.errs) > 0 {
		t.Errorf("heard of %d calls and %d keys, %v", h.calls, h.remembered, h.errs)
	}
}

func TestWhatIsRemembered(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	now := time.Now()
	clock := func() time.Time { return now }
	for name, c := range map[string]struct {
		path  string
		ttl   time.Duration
		later time.Duration
		calls int
	}{
		"for three minutes": {"/", 0, DefaultTTL - 1, 1},
		"and no longer":     {"/", 0, DefaultTTL, 2},
		"for an hour":       {"/", time.Hour, time.Hour - 1, 1},
		"not at all":        {"/", -1, 0, 2},
		"nothing fickle":    {"/fickle", 0, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(server.asked())
			p := providersOf(t, Options{TTL: c.ttl, Clock: clock}, spelled(server.URL+c.path, ca.bundle(), 5))
			p.Begin().Fetch(t.Context(), "p", []string{"a"})
			now = now.Add(c.later)
			p.Begin().Fetch(t.Context(), "p", []string{"a"})
			if calls := len(server.asked()) - before; calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(time.Hour, time.Now)
	item := language.ExternalItem{Value: "x"}
	for i := range maxEntries + 10 {
		c.put(cacheKey{"p", fmt.Sprint(i)}, item, 1)
		c.get(cacheKey{"p", "0"}) // what is asked for stays
	}
	if _, known := c.get(cacheKey{"p", "0"}); !known || len(c.entries) != maxEntries || c.recent.Len() != maxEntries {
		t.Errorf("%d entries; the first is known: %v", len(c.entries), known)
	}
	if _, known := c.get(cacheKey{"p", "1"}); known {
		t.Error("what was not asked for stays")
	}
	for i := range 40 {
		c.put(cacheKey{"q", fmt.Sprint(i)}, item, 1<<20)
	}
	if c.put(cacheKey{"q", "large"}, item, maxBytes); c.bytes > maxBytes || c.bytes < maxBytes/2 {
		t.Errorf("%d bytes", c.bytes)
	}
	for c.recent.Len() > 0 {
		c.remove(c.recent.Back())
	}
	if c.bytes != 0 || len(c.entries) != 0 {
		t.Errorf("of nothing %d bytes are counted, and %d entries", c.bytes, len(c.entries))
	}
}

func TestOneCallForAllWhoAskTheSame(t *testing.T) {
	ca := newAuthority(t)
	release := make(chan struct{})
	server := newStub(t, ca.issue(t, time.Hour), func(w http.ResponseWriter, _ *http.Request) {
		<-release
		w.WriteHeader(http.StatusTeapot)
	})
	session := providersOf(t, Options{}, spelled(server.URL, ca.bundle(), 60)).Begin()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := session.Fetch(t.Context(), "p", []string{"a"}); !strings.Contains(got.SystemError, "status 418") {
				t.Error(told(got))
			}
		})
	}
	for len(server.asked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := told(session.Fetch(ctx, "p", []string{"a"})); got != "500  context canceled" {
		t.Error(got)
	}
	close(release)
	wg.Wait()
	session.Fetch(t.Context(), "p", []string{"a"})
	if calls := len(server.asked()); calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func TestCallsOfAReviewAreBounded(t *testing.T) {
	ca := newAuthority(t)
	server := newStub(t, ca.issue(t, time.Hour), nil)
	session := providersOf(t, Options{TTL: -1}, spelled(server.URL, ca.bundle(), 5)).Begin()
	var last string
	for i := range maxCalls + 1 {
		last = told(session.Fetch(t.Context(), "p", []string{fmt.Sprint(i)}))
	}
	if want := "400  one review may lead to 100 different calls of Providers at most"; last != want || len(server.asked()) != maxCalls {
		t.Errorf("%s, after %d calls", last, len(server.asked()))
	}
}

func TestFailures(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(t, time.Hour)
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	ok := `{"kind":"ProviderResponse","response":{"items":[]}}`
	for name, c := range map[string]struct {
		certificate tls.Certificate
		handler     http.HandlerFunc
		change      func(*tls.Config)
		want        string
	}{
		"another authority": {certificate: other.issue(t, time.Hour), want: "500  the Provider p did not answer: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		"expired":           {certificate: ca.issue(t, -time.Hour), want: "500  the Provider p did not answer: tls: failed to verify certificate: x509: certificate has expired"},
		"old TLS":           {change: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, want: "500  the Provider p did not answer: remote error: tls: protocol version not supported"},
		"slow":              {handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, want: "500  the Provider p did not answer in time"},
		"slow to the end": {handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, want: "500  the Provider p did not answer in time"},
		"huge": {handler: func(w http.ResponseWriter, _ *http.Request) {
			for range maxResponse/1024 + 1 {
				_, _ = w.Write(make([]byte, 1024))
			}
		}, want: "500  the Provider p answered with more than 4 MiB"},
		"a huge head": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 128<<10)) },
			want:    "500  the Provider p did not answer: net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 65536 bytes",
		},
		"no JSON":      {handler: text(200, "<html>"), want: "500  the Provider p answered with status 200 and no ProviderResponse: invalid character '<'"},
		"another kind": {handler: text(200, `{"kind":"Status","response":{}}`), want: `500  the Provider p answered with status 200 and kind "Status", which is no ProviderResponse`},
		"nothing":      {handler: text(404, `{}`), want: `500  the Provider p answered with status 404 and kind "", which is no ProviderResponse`},
		"elsewhere": {handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, want: "500  the Provider p answered with status 307 and no ProviderResponse"},
		"hung up":        {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "500  the Provider p did not answer: EOF"},
		"a system error": {handler: text(200, `{"kind":"ProviderResponse","response":{"systemError":"no database"}}`), want: "200  no database"},
		"a bad status":   {handler: text(503, ok), want: "503"},
		"good":           {handler: text(200, ok), want: "200"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.certificate.Certificate == nil {
				c.certificate = good
			}
			var changes []func(*tls.Config)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			server := newStub(t, c.certificate, c.handler, changes...)
			ctx := t.Context()
			if strings.HasPrefix(name, "slow") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 600*time.Millisecond)
				defer cancel()
			}
			var h heard
			p := providersOf(t, Options{Observer: &h}, spelled(server.URL, ca.bundle(), 60))
			got := told(p.Begin().Fetch(ctx, "p", []string{"a"}))
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if ctx.Err() != nil {
				t.Error("nothing of the time was left")
			}
			if strings.Contains(got, server.URL) {
				t.Error("the URL is told")
			}
			if failed := len(c.want) > 3; failed != (len(h.errs) == 1) {
				t.Errorf("heard of %v", h.errs)
			}
		})
	}
}

func TestTheProviderMayKnowWhoCalls(t *testing.T) {
	ca, clients := newAuthority(t), newAuthority(t)
	pair := clients.issue(t, time.Hour)
	server := newStub(t, ca.issue(t, time.Hour), nil, func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(clients.certificate)
	})
	text := spelled(server.URL, ca.bundle(), 5)
	for _, c := range []struct {
		certificate Certificate
		want        string
	}{
		{func() (*tls.Certificate, error) { return &pair, nil }, "200 a=1"},
		{func() (*tls.Certificate, error) { return nil, nil }, "remote error: tls: certificate required"},
		{nil, "remote error: tls: certificate required"},
	} {
		got := told(providersOf(t, Options{Certificate: c.certificate}, text).Begin().Fetch(t.Context(), "p", []string{"a"}))
		if !strings.HasSuffix(got, c.want) {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
