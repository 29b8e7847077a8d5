package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/review"
)

// Handler serves a table of Endpoints.
type Handler struct {
	// Heard, if not nil, hears how each review that could be read is answered, just before it is: with a decision, or with an error and no
	// decision, as when it was not finished in time, whatever the Reviewer comes to afterwards. start is when the request came. It is called
	// while the caller waits, from many goroutines, and must return at once. Set it before the Handler serves.
	Heard func(req *review.Request, d review.Decision, err error, start time.Time)

	routes  map[string]Endpoint
	bodies  bodies
	metrics *Metrics
	log     *slog.Logger
}

// NewHandler returns a Handler for endpoints. It puts a Recover around every Reviewer. Nil metrics are counted but never shown;
// a nil log discards. The log gets what callers are not told: the detail of faults at error level, evaluations that overrun at
// warning level, and at debug level one line a request.
func NewHandler(endpoints []Endpoint, metrics *Metrics, log *slog.Logger) (*Handler, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if metrics == nil {
		var err error
		if metrics, err = NewMetrics(nil); err != nil {
			return nil, err
		}
	}
	h := &Handler{routes: make(map[string]Endpoint, len(endpoints)), bodies: newBodies(), metrics: metrics, log: log}
	for _, e := range endpoints {
		switch _, twice := h.routes[e.Path]; {
		case twice:
			return nil, fmt.Errorf("endpoint %s stands twice in the table", e.Path)
		case e.take != nil:
			h.routes[e.Path] = e
			continue
		case e.Dialect == nil, e.Reviewer == nil, e.MaxBody <= 0, e.Deadline <= 0:
			return nil, fmt.Errorf("endpoint %s needs a dialect, a reviewer, a limit and a deadline", e.Path)
		}
		e.Reviewer = Decorate(e.Reviewer, Recover())
		h.routes[e.Path] = e
	}
	return h, nil
}

// exchange is one request on its way through.
type exchange struct {
	endpoint Endpoint
	start    time.Time
	req      *review.Request // nil until the body was understood
	decision review.Decision
}

// ServeHTTP answers one review. Paths match exactly as written: http.ServeMux would redirect //validate and /validate/, and the API
// server follows redirects, turning the POST into a GET on the way.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint, known := h.routes[r.URL.Path]
	if !known || r.URL.RawPath != "" { // RawPath: /valid%61te
		h.metrics.answered("none", "", decisionInvalid, http.StatusNotFound)
		writeStatus(w, http.StatusNotFound, "there is nothing at this path")
		return
	}
	if endpoint.Close {
		w.Header().Set("Connection", "close")
	}
	if endpoint.take != nil {
		h.hear(w, r, endpoint)
		return
	}
	x := &exchange{endpoint: endpoint, start: time.Now()}
	body, err := h.review(w, r, x)
	if h.Heard != nil && x.req != nil {
		h.Heard(x.req, x.decision, err, x.start)
	}
	if err != nil {
		h.fail(w, r, x, err)
		return
	}
	h.metrics.answered(string(endpoint.Stage), operationOf(x.req), x.decision.Verdict.String(), http.StatusOK)
	if h.log.Enabled(r.Context(), slog.LevelDebug) {
		h.log.Debug("answered", append(x.attrs(rand.Text()), "verdict", x.decision.Verdict.String())...)
	}
	writeJSON(w, http.StatusOK, body)
}

// review returns the body of the answer.
func (h *Handler) review(w http.ResponseWriter, r *http.Request, x *exchange) (body []byte, err error) {
	defer func() { // the dialect's code; the Reviewer runs elsewhere
		if value := recover(); value != nil {
			body, err = nil, panicked(value)
		}
	}()
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, failure(http.StatusMethodNotAllowed, "reviews are sent by POST")
	}
	if err := contentType(r); err != nil {
		return nil, err
	}
	budget, err := newBudget(r.URL.RawQuery, x.endpoint.Deadline)
	if err != nil {
		return nil, failure(http.StatusBadRequest, err.Error())
	}
	// The clock has been running since the header arrived, while the body is read too.
	cutoff, cancel := context.WithDeadline(r.Context(), x.start.Add(budget.answer))
	defer cancel()
	raw, err := h.bodies.read(cutoff, w, r, x.endpoint.MaxBody)
	if err != nil {
		return nil, err
	}
	req, answer, err := x.endpoint.Dialect(raw)
	if err != nil {
		return nil, failure(http.StatusBadRequest, err.Error())
	}
	req.Origin = review.FromWebhook
	if req.ID == "" {
		req.ID = types.UID(rand.Text())
	}
	x.req = req
	ctx, cancel := context.WithDeadline(cutoff, x.start.Add(budget.review))
	defer cancel()
	if x.decision, err = h.ask(ctx, cutoff.Done(), x); err != nil {
		return nil, err
	}
	if body, err = json.Marshal(answer(x.decision)); err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return body, nil
}

// fail answers without a review. None of its codes is one the API server takes for an answer, so failurePolicy decides.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, x *exchange, err error) {
	code, message, decision := http.StatusInternalServerError, "", decisionError
	id := rand.Text()
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		code, message, decision = refused.code, refused.message, decisionInvalid
		attrs := x.attrs(id)
		if x.endpoint.Stage != review.Authenticate { // what is wrong with a TokenReview may be told with words from it
			attrs = append(attrs, "error", review.Sentence(message, maxLogged))
		}
		h.log.Debug("not a review", append(attrs, "code", code)...)
	case errors.Is(err, review.ErrUnavailable):
		code, message, decision = http.StatusServiceUnavailable, redact(x.req, err.Error()), decisionUnavailable
		if errors.Is(err, errTooManyBodies) {
			h.metrics.shed(shedBodies)
		}
		h.log.Debug("no answer", append(x.attrs(id), "error", message)...)
	default:
		message = "internal error: see the server's log with decision id " + id
		attrs := append(x.attrs(id), "error", redact(x.req, err.Error()))
		if p, ok := errors.AsType[*review.PanicError](err); ok {
			attrs = append(attrs, "panic", redact(x.req, fmt.Sprint(p.Value)), "stack", string(p.Stack))
		}
		h.log.Error("a review failed", attrs...)
	}
	if r.ProtoMajor == 1 && endsConnection(code) {
		w.Header().Set("Connection", "close")
	}
	h.metrics.answered(string(x.endpoint.Stage), operationOf(x.req), decision, code)
	writeStatus(w, code, message)
}

// endsConnection reports whether nothing more may be read from the connection after a refusal with that code: nobody will read the rest of
// a body that is too long, and one that says no length may have said two, of which a proxy may have believed the other. On HTTP/2, where each
// request is framed by itself, neither is a matter of the connection; ending it there would cut the answer short.
func endsConnection(code int) bool {
	return code == http.StatusRequestEntityTooLarge || code == http.StatusLengthRequired
}

// attrs are what log lines about a request have in common. Bodies, tokens and users are not among them.
func (x *exchange) attrs(id string) []any {
	attrs := []any{"id", id, "stage", string(x.endpoint.Stage), "duration", time.Since(x.start)}
	if x.req != nil {
		attrs = append(attrs, "uid", review.Sentence(string(x.req.ID), 64), "target", review.Sentence(x.req.Target.String(), maxLogged))
	}
	return attrs
}
