package replay

import (
	"context"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// question is a Question without the time.
type question struct {
	req     *review.Request
	unknown []string
}

// exchange is what came of reading one line: a request with the answer it got, or why there is none to ask again.
type exchange struct {
	place  Place
	why    string // it cannot be replayed
	detail string // more about that, of this line alone
	passed string // there is nothing to ask
	lost   uint64 // answers that the log says it has no record of

	id         string
	at         time.Time
	stage      review.Stage
	weight     float64 // how many such requests it stands for
	sampled    bool
	before     answer
	unanswered error // there is no answer to compare with
	asked      question

	// Of an audit event:
	event   bool
	stored  question // about what was stored
	partial bool     // what was sent is not known, and asked is about what was stored, too
}

// outcome is an exchange compared.
type outcome struct {
	exchange
	change
	after    answer
	revision string
	against  string
}

// replayed asks again and compares.
func (x exchange) replayed(ctx context.Context, o *Options) outcome {
	out := outcome{exchange: x}
	if x.why != "" || x.passed != "" {
		return out
	}
	before := x.before
	switch {
	case o.Against != nil:
		before, out.against = x.ask(ctx, o.Against)
	case x.unanswered != nil:
		out.why = x.unanswered.Error()
		return out
	}
	out.after, out.revision = x.ask(ctx, o.Ask)
	out.before = before
	out.change = compare(x.asked.req.Object, before, out.after)
	return out
}

// ask asks what the API server asked. Of an audit event these are two questions: what to change, and whether the result is acceptable.
func (x exchange) ask(ctx context.Context, ask Ask) (answer, string) {
	if !x.event {
		return put(ctx, ask, x.asked, x.at)
	}
	mutated, revision := put(ctx, ask, x.asked, x.at)
	if !mutated.permitted || len(mutated.unsaid) > 0 {
		return mutated, revision
	}
	final, err := x.judged(mutated.patch)
	if err != nil {
		return answer{unsaid: []Said{{Message: "what was changed does not apply to the object in the audit event"}}}, revision
	}
	out, _ := put(ctx, ask, final, x.at)
	out.patch = mutated.patch
	out.warnings = append(mutated.warnings, out.warnings...)
	return out, revision
}

// judged is what would be judged after the mutators have changed what was sent. What was stored has also the changes of others in it, and those
// that ours made then: where these would be made again, it is the very object; else they are made of what was sent, or of what is known of it.
func (x exchange) judged(patch []byte) (question, error) {
	sent := x.asked.req.Object
	switch {
	case len(sent) == 0, x.partial && empty(patch), !x.partial && x.before.permitted && samePatch(sent, patch, x.before.patch):
		return x.stored, nil
	}
	object, err := patched(sent, patch)
	if err != nil {
		return question{}, err
	}
	return question{req: x.stored.req.WithObject(object), unknown: x.stored.unknown}, nil
}

// put asks one question.
func put(ctx context.Context, ask Ask, q question, at time.Time) (answer, string) {
	d, err := ask(ctx, Question{Request: q.req, At: at, Unknown: q.unknown})
	if err != nil {
		return answer{unsaid: []Said{{Message: bounded("the policies gave no answer: " + err.Error())}}}, d.Revision
	}
	return answerOf(q.req.Stage, d), d.Revision
}
