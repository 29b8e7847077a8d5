package decisions

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// The paths of records that are of no stage; every other record's Path is a review.Stage.
const (
	PathEvent = "event" // what the API server's audit log says of a request, joined with the decisions about it
	PathGap   = "gap"   // answers of which there is no record
)

// Record is one line of a decision log: what was asked and how it was answered. Its fields are named as OPA names those of its decision logs.
// What a field cannot be known of is absent. Fields may be added; those who read records pass over what they do not know.
type Record struct {
	DecisionID string    `json:"decision_id"` // the uid of an AdmissionReview, else random; the API server's audit events carry it
	Timestamp  time.Time `json:"timestamp"`   // when the question came, in UTC
	Revision   string    `json:"revision,omitempty"`
	Path       string    `json:"path"` // the stage, or PathEvent or PathGap
	// Credential names the credential the request came with, without giving it away; see CredentialKey.
	Credential string `json:"credential,omitempty"`
	// Sampled is the share of records of this kind that are kept, above 0 and below 1: such a record stands for 1/Sampled answers.
	// It is absent where all are kept.
	Sampled float64 `json:"sampled,omitempty"`
	// Input is the review as the API server sent it, in the spelling of its type's v1, but for what was Erased.
	Input  json.RawMessage `json:"input,omitempty"`
	Erased []string        `json:"erased,omitempty"` // where something was taken out, as JSON pointers into the record; "(erased)" stands there
	Result *Result         `json:"result,omitempty"` // nil where there was no answer
	Error  string          `json:"error,omitempty"`  // why there was no answer; the API server's failurePolicy decided
	Event  *Event          `json:"event,omitempty"`  // with PathEvent alone
	Gap    *Gap            `json:"gap,omitempty"`    // with PathGap alone
	// Metrics is named and spelt as OPA's.
	Metrics Metrics `json:"metrics,omitzero"`
}

// Result is what was answered.
type Result struct {
	Verdict  string    `json:"verdict"` // "allow", "deny" or "no-opinion", as review.Verdict has it
	Findings []Finding `json:"findings,omitempty"`
	User     string    `json:"user,omitempty"` // whose token it is
	// Patch is RFC 6902. That of a Secret is Erased, as it may hold its contents.
	Patch json.RawMessage `json:"patch,omitempty"`
}

// Finding is a review.Finding as records tell it.
type Finding struct {
	Policy    string            `json:"policy"`
	Effect    review.Effect     `json:"effect"`
	Message   string            `json:"message"`
	Field     string            `json:"field,omitempty"`
	Fault     bool              `json:"fault,omitempty"`
	Cause     string            `json:"cause,omitempty"`
	Exception *review.Exception `json:"exception,omitempty"`
}

// Gap says that answers were given of which there is no record: for want of room, or because they could not be written.
type Gap struct {
	From time.Time `json:"from"` // when the first of them came, in UTC
	To   time.Time `json:"to"`   // when the last of them came
	Lost uint64    `json:"lost"` // how many, exactly
}

// Metrics is how long the answer took.
type Metrics struct {
	Nanoseconds int64 `json:"timer_server_handler_ns,omitempty"`
}

// record is the line of an entry.
func (r *Recorder) record(e entry) Record {
	if e.event != nil {
		return r.eventRecord(e)
	}
	m := mask(e.req, r.opts.Erase)
	out := Record{
		DecisionID: string(e.req.ID),
		Timestamp:  e.at.UTC(),
		Revision:   e.decision.Revision,
		Path:       string(e.req.Stage),
		Credential: r.opts.Credentials.Of(e.req),
		Sampled:    e.sampled,
		Input:      m.input,
		Metrics:    Metrics{Nanoseconds: e.took.Nanoseconds()},
	}
	if out.DecisionID == "" {
		out.DecisionID = rand.Text()
	}
	if e.err != nil {
		out.Error = review.Sentence(m.wrong(e.err.Error()), review.MaxMessage)
	} else {
		out.Result = resultOf(e.decision, m)
	}
	out.Erased = m.erased
	return out
}

func resultOf(d review.Decision, m *masked) *Result {
	out := &Result{Verdict: d.Verdict.String(), Patch: m.patch(d.Patch)}
	if d.Identity != nil {
		out.User = m.user(d.Identity.Username)
	}
	for i, f := range d.Findings {
		said := func(member, text string) string {
			return m.said(fmt.Sprintf("/result/findings/%d/%s", i, member), "/result/findings/*/"+member, text)
		}
		out.Findings = append(out.Findings, Finding{
			Policy: f.Policy, Effect: f.Effect, Message: said("message", f.Message), Field: said("field", f.Field), Fault: f.Fault,
			Cause: said("cause", f.Cause), Exception: f.Exception,
		})
	}
	return out
}
