package decisions

import (
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// NoAnswer stands in Brief.Verdict where there was no answer, and the API server's failurePolicy decided.
const NoAnswer = "no-answer"

// Brief is what a list tells of a record. Its texts are those of the record, whoever chose them: they are neither cut nor cleaned.
type Brief struct {
	ID         string    `json:"id"`
	Path       string    `json:"path"`
	Time       time.Time `json:"time"`
	Verdict    string    `json:"verdict,omitempty"` // as Result.Verdict, or NoAnswer; empty for events and gaps
	User       string    `json:"user,omitempty"`    // empty where the review does not say it, as about images
	Credential string    `json:"credential,omitempty"`
	Verb       string    `json:"verb,omitempty"`
	// Target is what the request was about, without its version, and nothing where that was taken out of the record.
	Target     review.Target `json:"target,omitzero"`
	Policies   []string      `json:"policies,omitempty"`   // that found something, in order
	Decisions  []string      `json:"decisions,omitempty"`  // of an event: the IDs of the records about the same request
	FailedOpen []string      `json:"failedOpen,omitempty"` // of an event: the webhooks that had no answer, and were passed by
	Lost       uint64        `json:"lost,omitempty"`       // of a gap
}

// Namespace is the one whose auditors the record concerns. It is empty where only those of the whole cluster may see it, because what it is about is
// in no namespace, or is not known.
func (b *Brief) Namespace() string { return b.Target.Inside() }

// BriefOf says of a record what a list tells.
func BriefOf(r *Record) Brief {
	out := Brief{ID: r.DecisionID, Path: r.Path, Time: r.Timestamp, Credential: r.Credential}
	switch r.Path {
	case PathGap:
		if r.Gap != nil {
			out.Lost = r.Gap.Lost
		}
		return out
	case PathEvent:
		out.event(r.Event)
		return out
	}
	out.Verdict = NoAnswer
	if req := requestOf(r); req != nil {
		out.User, out.Verb, out.Target = req.User.Username, req.Verb, req.Target
		out.Target.Version = ""
	}
	if r.Result == nil {
		return out
	}
	out.Verdict = r.Result.Verdict
	if out.User == "" {
		out.User = r.Result.User
	}
	for _, f := range r.Result.Findings {
		out.Policies = append(out.Policies, f.Policy)
	}
	slices.Sort(out.Policies)
	out.Policies = slices.Compact(out.Policies)
	return out
}

// requestOf is the question of a record, or nil if so much was taken out of it that it cannot be read.
func requestOf(r *Record) *review.Request {
	dialect := review.DialectOf(review.Stage(r.Path))
	if dialect == nil {
		return nil
	}
	req, _, err := dialect(r.Input)
	if err != nil {
		return nil
	}
	return req
}

func (b *Brief) event(e *Event) {
	if e == nil {
		return
	}
	b.User, b.Verb, b.Decisions, b.FailedOpen = e.User, e.Verb, e.Decisions, e.FailedOpen
	resource, subresource, _ := strings.Cut(e.Resource, "/")
	t := &b.Target
	t.Resource, t.Group, _ = strings.Cut(resource, ".")
	t.Subresource, t.Namespace, t.Name = subresource, e.Namespace, e.Name
	if resource == "" {
		t.Path, _, _ = strings.Cut(e.RequestURI, "?")
	}
}

// size is how many bytes its texts take.
func (b *Brief) size() (n int) {
	t := &b.Target
	texts := []string{b.ID, b.Path, b.Verdict, b.User, b.Credential, b.Verb, t.Group, t.Resource, t.Subresource, t.Kind, t.Namespace, t.Name, t.Path}
	for _, list := range [][]string{texts, b.Policies, b.Decisions, b.FailedOpen} {
		for _, text := range list {
			n += len(text) + 16 // and where it is
		}
	}
	return n
}

// Filter chooses records; what is empty chooses all.
type Filter struct {
	Verdict    string // as Brief.Verdict
	Policy     string
	Namespace  string
	User       string
	Path       string
	FailedOpen bool // events of requests that a webhook had no answer to
}

// Matches reports whether the record is chosen.
func (f Filter) Matches(b *Brief) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(f.Verdict, b.Verdict) && is(f.Namespace, b.Namespace()) && is(f.User, b.User) && is(f.Path, b.Path) &&
		(f.Policy == "" || slices.Contains(b.Policies, f.Policy)) && (!f.FailedOpen || len(b.FailedOpen) > 0)
}
