package replay

import (
	"context"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// Question is one recorded request, ready to be asked again.
type Question struct {
	Request *review.Request
	At      time.Time // when it was asked first; zero if that is not known
	// Unknown are the parts of the review that are not what they were, as JSON pointers into it. What a policy that looks at one of them says
	// must be a Fault that is marked Unknown.
	Unknown []string
}

// Ask asks policies. It is safe for concurrent use.
type Ask func(ctx context.Context, q Question) (review.Decision, error)

// Options say what to ask, and how. Ask must be set.
type Options struct {
	Ask Ask
	// Against is who is asked for what is compared with, in place of what was recorded; nil compares with that.
	Against Ask
	// Spared reports whether the API server never asks about a request, and so no policy would be; nil spares nothing. Decision records are of
	// what was asked, and are not spared.
	Spared func(*review.Request) bool
	// Kind returns the kind of a resource of which the log does not say it, or "".
	Kind func(group, version, resource string) string
	// Ours reports whether a webhook of that name is one whose answers are replayed; nil takes all for such.
	Ours func(webhook string) bool
	// Workers are how many requests are asked at once; at least 1.
	Workers int
	// Examples are how many are kept of each policy and change; 0 keeps 3.
	Examples int
	// Progress is told now and then how much was read; nil is not.
	Progress func(Progress)
}

// Progress is how far it has come.
type Progress struct {
	Bytes int64 // that were read of the files, as they are on disk
	Lines int
}

// Place is where a line stands.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Said is what one policy has to say.
type Said struct {
	Policy  string
	Message string
}

// answer is what was answered to a request, or why that is not known.
type answer struct {
	permitted bool
	refusals  []Said
	warnings  []Said
	grants    []Said
	patch     []byte
	// patchLost and warningsLost say that there is no telling whether there was any.
	patchLost, warningsLost bool
	unsaid                  []Said // nothing is known, because of these
}

// permits reports whether a verdict lets the request go on at its stage: a guard stops what it denies, and who is asked for a grant or a
// credential gives nothing without Allow.
func permits(stage review.Stage, v review.Verdict) bool {
	if stage == review.Guard {
		return v != review.Deny
	}
	return v == review.Allow
}

// answerOf is what a decision comes to. Whatever a policy that could not be asked would have said, a refusal by another stands, and so does
// what another grants.
func answerOf(stage review.Stage, d review.Decision) answer {
	out := answer{permitted: permits(stage, d.Verdict), patch: d.Patch}
	refused := false
	for _, f := range d.Findings {
		said := Said{Policy: bounded(f.Policy), Message: bounded(f.Message)}
		switch {
		case f.Unknown && f.Effect != review.EffectExcepted:
			out.unsaid = append(out.unsaid, said)
		case f.Effect == review.EffectDeny:
			refused = true
			out.refusals = append(out.refusals, said)
		case f.Effect == review.EffectWarn:
			out.warnings = append(out.warnings, said)
		case f.Effect == review.EffectAllow:
			out.grants = append(out.grants, said)
		default:
		}
	}
	switch {
	case refused && stage != review.Grant:
		out.permitted, out.unsaid, out.warningsLost = false, nil, len(out.unsaid) > 0
	case stage == review.Grant && out.permitted:
		out.unsaid = nil
	}
	return out
}

// maxName bounds the names and sentences of a log in bytes.
const maxName = 512

func bounded(text string) string { return review.Sentence(text, maxName) }
