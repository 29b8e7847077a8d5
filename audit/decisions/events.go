package decisions

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Outcome is what became of an event of the API server's audit log.
type Outcome string

// The outcomes.
const (
	EventHeard      Outcome = "heard"      // it is recorded, if it is among the share of those that are
	EventEarly      Outcome = "early"      // its request has not been answered yet; a later one says more
	EventRepeated   Outcome = "repeated"   // it was heard before
	EventUnreadable Outcome = "unreadable" // it, or the list from there on, is no event of audit.k8s.io/v1
)

// Events reads lists of audit events, as the API server posts them, and has them recorded. It is safe for concurrent use.
type Events struct {
	Recorders Recorders
	// Heard is told of each event; of one that is unreadable nothing is known. It may be nil.
	Heard func(Event, Outcome)
	once  seen
}

// Read reads a list, an event at a time. What cannot be read is told to Heard, and ends it if nothing after it can be either.
func (e *Events) Read(ctx context.Context, list io.Reader) {
	if err := e.read(ctx, json.NewDecoder(list)); err != nil {
		e.tell(Event{}, EventUnreadable)
	}
}

func (e *Events) tell(event Event, outcome Outcome) {
	if e.Heard != nil {
		e.Heard(event, outcome)
	}
}

var errNoList = errors.New("it is no EventList")

func (e *Events) read(ctx context.Context, d *json.Decoder) error {
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		switch name {
		case "kind":
			var kind string
			if err := d.Decode(&kind); err != nil || kind != "EventList" {
				return errNoList
			}
		case "items":
			if err := e.items(ctx, d); err != nil {
				return err
			}
		default:
			var rest json.RawMessage
			if err := d.Decode(&rest); err != nil {
				return err
			}
		}
	}
	return delimiter(d, '}')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	if token, err := d.Token(); err != nil || token != want {
		return errNoList
	}
	return nil
}

func (e *Events) items(ctx context.Context, d *json.Decoder) error {
	switch token, err := d.Token(); {
	case err == nil && token == nil: // null
		return nil
	case err != nil || token != json.Delim('['):
		return errNoList
	}
	for d.More() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var raw rawEvent
		var wrong *json.UnmarshalTypeError
		switch err := d.Decode(&raw); {
		case errors.As(err, &wrong):
			e.tell(Event{}, EventUnreadable) // the next may be better
		case err != nil:
			return err
		default:
			e.one(&raw)
		}
	}
	return delimiter(d, ']')
}

func (e *Events) one(raw *rawEvent) {
	switch {
	case raw.AuditID == "":
		e.tell(Event{}, EventUnreadable)
	case raw.Stage != "ResponseComplete" && raw.Stage != "Panic":
		e.tell(Event{}, EventEarly)
	case !e.once.first(raw.AuditID):
		e.tell(Event{}, EventRepeated)
	default:
		event := raw.event()
		e.Recorders.HearEvent(event, credentialIn(extraOf(raw.User)))
		e.tell(event, EventHeard)
	}
}

// rawEvent is what is read of an Event of audit.k8s.io/v1: who and what, and never the objects.
type rawEvent struct {
	AuditID                  string                     `json:"auditID"`
	Stage                    string                     `json:"stage"`
	RequestURI               string                     `json:"requestURI"`
	Verb                     string                     `json:"verb"`
	User                     authenticationv1.UserInfo  `json:"user"`
	ImpersonatedUser         *authenticationv1.UserInfo `json:"impersonatedUser"`
	SourceIPs                []string                   `json:"sourceIPs"`
	UserAgent                string                     `json:"userAgent"`
	ObjectRef                *objectRef                 `json:"objectRef"`
	ResponseStatus           *responseStatus            `json:"responseStatus"`
	RequestReceivedTimestamp metav1.MicroTime           `json:"requestReceivedTimestamp"`
	Annotations              map[string]string          `json:"annotations"`
}

type objectRef struct {
	APIGroup    string `json:"apiGroup"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
}

type responseStatus struct {
	Code   int32  `json:"code"`
	Reason string `json:"reason"`
}

func extraOf(u authenticationv1.UserInfo) map[string][]string {
	out := make(map[string][]string, len(u.Extra))
	for key, values := range u.Extra {
		out[key] = values
	}
	return out
}

func (r *rawEvent) event() Event {
	out := Event{
		AuditID: r.AuditID, Verb: r.Verb, RequestURI: r.RequestURI, User: r.User.Username, Groups: r.User.Groups, SourceIPs: r.SourceIPs,
		UserAgent: r.UserAgent, Received: r.RequestReceivedTimestamp.UTC(),
	}
	if out.Received.IsZero() {
		out.Received = time.Unix(0, 0).UTC()
	}
	if r.ImpersonatedUser != nil {
		out.As = r.ImpersonatedUser.Username
	}
	if o := r.ObjectRef; o != nil {
		out.Resource, out.Namespace, out.Name = strings.Trim(o.Resource+"."+o.APIGroup, "."), o.Namespace, o.Name
		if o.Subresource != "" {
			out.Resource += "/" + o.Subresource
		}
	}
	if r.ResponseStatus != nil {
		out.Code, out.Reason = r.ResponseStatus.Code, r.ResponseStatus.Reason
	}
	for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
		out.annotated(key, r.Annotations[key])
	}
	return out
}

// remembered bounds the audit ids of which is known that they were heard: half a minute of 500 requests a second. The API server sends a batch
// again when it has not heard in time that it came.
const remembered = 16384

// seen knows which ids were heard lately.
type seen struct {
	mu    sync.Mutex
	known map[string]struct{}
	ring  []string
	next  int
}

// first reports whether an id was not heard lately.
func (s *seen) first(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.known[id]; known {
		return false
	}
	if s.known == nil {
		s.known = map[string]struct{}{}
	}
	if len(s.ring) < remembered {
		s.ring = append(s.ring, id)
	} else {
		delete(s.known, s.ring[s.next])
		s.ring[s.next] = id
		s.next = (s.next + 1) % remembered
	}
	s.known[id] = struct{}{}
	return true
}
