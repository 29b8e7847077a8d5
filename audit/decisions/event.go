package decisions

import "time"

// Event is what the API server's audit log says of one request, without objects. Members of the same name mean what they do in
// audit.k8s.io/v1.
type Event struct {
	AuditID    string    `json:"auditID"`
	Verb       string    `json:"verb"`
	RequestURI string    `json:"requestURI"`
	User       string    `json:"user"`
	Groups     []string  `json:"groups,omitempty"`
	As         string    `json:"as,omitempty"` // who was impersonated
	SourceIPs  []string  `json:"sourceIPs,omitempty"`
	UserAgent  string    `json:"userAgent,omitempty"`
	Resource   string    `json:"resource,omitempty"` // "deployments.apps/scale"
	Namespace  string    `json:"namespace,omitempty"`
	Name       string    `json:"name,omitempty"`
	Code       int32     `json:"code,omitempty"`   // of the answer
	Reason     string    `json:"reason,omitempty"` // of a refusal, as "Forbidden"
	Received   time.Time `json:"received"`

	Access     string   `json:"access,omitempty"`     // "allow" or "forbid", authorization.k8s.io/decision
	Why        string   `json:"why,omitempty"`        // authorization.k8s.io/reason
	Decisions  []string `json:"decisions,omitempty"`  // the DecisionIDs of the records about it
	Changed    []string `json:"changed,omitempty"`    // the webhooks and policies that changed the object, "CONFIGURATION/WEBHOOK"
	FailedOpen []string `json:"failedOpen,omitempty"` // the webhooks that had no answer, and were passed by
}

// eventSize is about what an event takes of memory, in bytes.
const eventSize = 4 << 10

// HearEvent has what the audit log says of a request recorded. It never blocks. Requests that were allowed, and to which nothing happened that
// must be known, are recorded by the share that Options.Allows says.
func (r *Recorder) HearEvent(event Event, credential string) {
	e := entry{event: &event, at: event.Received}
	e.credential = credential
	if event.unremarkable() && !r.sample(event.AuditID, &e) {
		return
	}
	r.hear(e)
}

// unremarkable reports whether the request was allowed, and every webhook had its say.
func (e *Event) unremarkable() bool {
	return len(e.FailedOpen) == 0 && e.Access != "forbid" && e.Code != 401 && e.Code != 403
}

// eventRecord is the line of an event.
func (r *Recorder) eventRecord(e entry) Record {
	event := *e.event
	out := Record{
		DecisionID: event.AuditID, Timestamp: e.at.UTC(), Path: PathEvent, Credential: e.credential, Sampled: e.sampled, Event: &event,
	}
	for _, field := range []struct {
		name string
		into *string
	}{{"requestURI", &event.RequestURI}, {"userAgent", &event.UserAgent}} {
		if pointer := "/event/" + field.name; *field.into != "" && r.opts.Erase.fields[pointer] {
			*field.into, out.Erased = erased, append(out.Erased, pointer)
		}
	}
	if len(event.SourceIPs) > 0 && r.opts.Erase.fields["/event/sourceIPs"] {
		event.SourceIPs, out.Erased = []string{erased}, append(out.Erased, "/event/sourceIPs")
	}
	return out
}
