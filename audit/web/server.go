package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed style.css
var ownStyle string

const (
	// contentSecurityPolicy lets pages show themselves: no script, nothing from elsewhere, in no frame.
	contentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	maxForm               = 16 << 10 // bytes of what is posted: a token
	maxQuery              = 4 << 10  // bytes of an address's query
	perPage               = 100      // rows of a list
	// freshFor is how long a report is shown although something has changed: that of a large cluster takes a moment to make.
	freshFor = 2 * time.Second
)

// Server answers with pages. It is an http.Handler for addresses below /ui/, and safe for concurrent use.
type Server struct {
	options Options
	people  *people
	rights  *rights
	pages   map[string]*template.Template
	style   []byte
	handler http.Handler
	asking  chan struct{} // one at a time may ask why
	// The pages that are put together of several parts, and the parts that are made, at one time. They are not the same: parts wait for no other.
	gathering, serving chan struct{}

	mu      sync.Mutex
	made    time.Time // when the report was
	changes uint64
	report  audit.Report
}

// New returns a Server, or what is wrong with the options.
func New(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	asking := make(chan struct{}, maxAsking)
	s := &Server{
		options: o, asking: make(chan struct{}, 1), gathering: make(chan struct{}, maxAtOnce), serving: make(chan struct{}, maxAtOnce),
		pages: map[string]*template.Template{}, style: []byte(export.Style() + ownStyle),
		people: &people{ask: o.Who, known: newMemory[[32]byte, *person](maxPeople, o.Now), slots: asking},
		rights: &rights{ask: o.May, known: newMemory[right, bool](maxRights, o.Now), slots: asking},
	}
	layout, err := template.New("layout").Funcs(functions()).ParseFS(pageFiles, "pages/layout.html")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	for _, name := range []string{"overview", "violations", "violation", "decisions", "decision", "policies", "policy", "sign-in", "failure"} {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(pageFiles, "pages/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		s.pages[name] = page
	}
	s.handler = guarded(http.NewCrossOriginProtection().Handler(s.routes()))
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, page func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			counted := &counted{ResponseWriter: w, status: http.StatusOK}
			if err := page(counted, r); err != nil {
				s.fail(counted, r, err)
			}
			s.options.Count(pattern, counted.status)
		})
	}
	handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, "/ui/", http.StatusSeeOther)
		return nil
	})
	handle("GET /ui/style.css", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, err := w.Write(s.style)
		return ignored(err)
	})
	handle("GET /ui/sign-in", s.askToken)
	handle("POST /ui/sign-in", s.signIn)
	handle("POST /ui/sign-out", s.signOut)
	handle("GET /ui/{$}", s.signed(s.overview))
	handle("GET /ui/violations", s.signed(s.violations))
	for extension := range formats() {
		handle("GET /ui/violations."+extension, s.signed(s.download))
	}
	handle("GET /ui/violations/{id}", s.signed(s.violation))
	handle("GET /ui/decisions", s.signed(s.decisions))
	handle("GET /ui/decisions/{id}", s.signed(s.decision))
	handle("GET /ui/policies", s.signed(s.policies))
	handle("GET /ui/policies/{id...}", s.signed(s.policy))
	handle("GET /ui/part/findings", s.part(s.findingsPart))
	handle("GET /ui/part/decisions", s.part(s.decisionsPart))
	handle("GET /ui/part/decisions/{id}", s.part(s.decisionPart))
	handle("POST /ui/part/related", s.part(s.relatedPart))
	handle("/", func(http.ResponseWriter, *http.Request) error {
		return failure{http.StatusNotFound, "No such page", "There is no page at this address; the pages are below /ui/."}
	})
	return mux
}

// counted remembers the status.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// guarded sets what every answer has, and bounds what is asked.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if len(r.URL.RawQuery) > maxQuery {
			http.Error(w, "The address is too long.", http.StatusRequestURITooLong)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// failure is why there is no page, for people.
type failure struct {
	status          int
	title, sentence string
}

func (f failure) Error() string { return f.sentence }

// unknown is a failure to find out: it says neither yes nor no.
func (s *Server) unknown(what string, err error) error {
	s.options.Log.Warn("a page could not be shown", "unknown", what, "error", err)
	return failure{
		http.StatusServiceUnavailable, "Not known right now",
		"The cluster could not be asked " + what + ", so nothing is shown; try again in a moment. The server's log says why.",
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f failure
	if !errors.As(err, &f) {
		s.options.Log.Error("a page could not be made", "error", err)
		f = failure{http.StatusInternalServerError, "This page could not be made", "Something is wrong with this page; the server's log says what."}
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	v := view{Title: f.title, Body: f.sentence}
	if visit, ok := r.Context().Value(visitKey{}).(*visit); ok {
		v.User = visit.who.user.Username
	}
	if err := s.show(w, f.status, "failure", v); err != nil {
		s.options.Log.Error("a page could not be made", "error", err)
	}
}

// view is what the layout shows.
type view struct {
	Title, Cluster, User string
	Here                 string // the address of the page in the navigation
	Body                 any
}

// show writes a page, whole or not at all.
func (s *Server) show(w http.ResponseWriter, status int, name string, v view) error {
	v.Cluster = s.options.Cluster
	var out bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&out, "layout", v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, err := io.Copy(w, &out)
	return ignored(err)
}

// ignored is nil: that somebody does not read an answer to its end is no fault of it.
func ignored(error) error { return nil }

// found is the audit's report; false while there is none.
func (s *Server) found() (audit.Report, bool) {
	if s.options.Found == nil {
		return audit.Report{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, changes := s.options.Now(), s.options.Changes()
	if !s.made.IsZero() && (changes == s.changes || now.Sub(s.made) < freshFor) {
		return s.report, true
	}
	report, ok := s.options.Found()
	if !ok {
		return report, false
	}
	report.Cluster = s.options.Cluster
	s.report, s.changes, s.made = report, changes, now
	return report, true
}

// sentence is what an error says, as one.
func sentence(err error) string {
	return capital(err.Error()) + "."
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
