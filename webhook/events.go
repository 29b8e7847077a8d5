package webhook

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// events names the endpoint in metrics and logs. It is no stage: nothing is asked at it.
const events = "events"

const (
	// maxEvents bounds what is read of one list of events, in bytes. By default the API server cuts neither a list, of 400 events, nor an event,
	// which may hold a request and its answer.
	maxEvents = 32 << 20
	// maxRest bounds what is read past it, and thrown away: who is not heard to the end tries again, with the same list.
	maxRest = 512 << 20
	// eventLists is how many are read at once. An API server sends some in parallel, and waits for none of them.
	eventLists = 2
	// eventsDeadline is for reading one list from a slow sender.
	eventsDeadline = 30 * time.Second
)

// Events is the row of /events, to which the API server sends the events of its audit log, as batches in audit.k8s.io/v1. take reads a list, at most
// 32 MiB of it, and no more than two lists at a time; what it makes of it is its own affair: whatever was sent is answered with 200, since the
// API server sends again what is not, and so would send for ever what cannot be read.
func Events(take func(ctx context.Context, list io.Reader)) Endpoint {
	return Endpoint{Stage: events, Path: "/events", MaxBody: maxEvents, Deadline: eventsDeadline, take: take, turns: make(chan struct{}, eventLists)}
}

// hear answers one list of events.
func (h *Handler) hear(w http.ResponseWriter, r *http.Request, e Endpoint) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), e.Deadline)
	defer cancel()
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		h.metrics.answered(events, "", decisionInvalid, http.StatusMethodNotAllowed)
		writeStatus(w, http.StatusMethodNotAllowed, "events are sent by POST")
		return
	case !turn(ctx, e.turns):
		h.metrics.answered(events, "", decisionUnavailable, http.StatusServiceUnavailable)
		writeStatus(w, http.StatusServiceUnavailable, "too many lists of events arrive at once")
		return
	}
	defer func() { <-e.turns }()
	h.take(ctx, e, io.LimitReader(r.Body, e.MaxBody))
	rest, _ := io.CopyN(io.Discard, r.Body, maxRest) // it ends at the end
	if rest > 0 {
		h.log.Debug("events were not read to the end", "bytes", rest)
	}
	h.metrics.answered(events, "", decisionTaken, http.StatusOK)
	h.log.Debug("took events", "duration", time.Since(start))
	writeJSON(w, http.StatusOK, []byte("{}"))
}

// take has a list read, and survives who reads it.
func (h *Handler) take(ctx context.Context, e Endpoint, list io.Reader) {
	defer func() {
		if value := recover(); value != nil {
			h.log.Error("reading events failed", slog.Any("error", panicked(value)))
		}
	}()
	e.take(ctx, list)
}

// turn waits for one of few; false if ctx ends before.
func turn(ctx context.Context, turns chan<- struct{}) bool {
	select {
	case turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
