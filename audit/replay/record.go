package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/decisions"
	"github.com/portcullis-dev/portcullis/review"
)

// exchangeOfRecord makes of a decision record what is asked again.
func exchangeOfRecord(r *decisions.Record) exchange {
	switch r.Path {
	case decisions.PathEvent:
		return exchange{passed: "records of what the API server's audit log says; the decisions stand in records of their own"}
	case decisions.PathGap:
		if r.Gap == nil {
			return exchange{why: "the record of a gap does not say how much is missing"}
		}
		return exchange{passed: "records of gaps", lost: r.Gap.Lost}
	}
	dialect := review.DialectOf(review.Stage(r.Path))
	if dialect == nil {
		return exchange{why: "the stage " + bounded(r.Path) + " is not known here"}
	}
	var unknown []string
	for _, pointer := range r.Erased {
		at, ok := strings.CutPrefix(pointer, "/input")
		if ok && essential(at) {
			return exchange{why: "what the request was about, or whose it was, was taken out of the record"}
		}
		if ok {
			unknown = append(unknown, at)
		}
	}
	req, _, err := dialect(r.Input)
	if err != nil {
		return exchange{why: "the review in the record cannot be read", detail: bounded(err.Error())}
	}
	req.Origin = review.FromWebhook
	out := exchange{
		id: bounded(r.DecisionID), at: r.Timestamp, stage: req.Stage, weight: 1, asked: question{req: req, unknown: unknown},
	}
	if r.Sampled > 0 && r.Sampled < 1 {
		out.weight, out.sampled = 1/r.Sampled, true
	}
	out.before, out.unanswered = recordedAnswer(req.Stage, r)
	return out
}

// essential reports whether it depends on a part of the review which policies are asked at all.
func essential(pointer string) bool {
	member, isRequest := strings.CutPrefix(pointer, "/request/")
	if !isRequest {
		return pointer != "/spec/token" && !strings.HasPrefix(pointer, "/spec/extra")
	}
	for _, free := range []string{"object/", "oldObject/", "options", "uid", "dryRun", "userInfo/uid", "userInfo/extra"} {
		if rest, ok := strings.CutPrefix(member, free); ok && rest != "apiVersion" && rest != "kind" {
			return false
		}
	}
	return member != "object" && member != "oldObject"
}

// errUnanswered is why a request cannot be compared with what was answered.
var errUnanswered = errors.New("no answer was given then, so there is none to compare with; --against compares with other policies")

// recordedAnswer is what the record says was answered; an error is that there was no answer.
func recordedAnswer(stage review.Stage, r *decisions.Record) (answer, error) {
	if r.Result == nil {
		return answer{}, errUnanswered
	}
	d := review.Decision{}
	switch r.Result.Verdict {
	case review.Allow.String():
		d.Verdict = review.Allow
	case review.NoOpinion.String():
		d.Verdict = review.NoOpinion
	case review.Deny.String():
	default:
		return answer{}, errors.New("the verdict " + bounded(r.Result.Verdict) + " is not known here")
	}
	for i, f := range r.Result.Findings {
		if slices.Contains(r.Erased, fmt.Sprintf("/result/findings/%d/message", i)) {
			f.Message = erased // as a whole: what is left of it is not what is said now
		}
		d.Findings = append(d.Findings, review.Finding{Policy: f.Policy, Effect: f.Effect, Message: f.Message})
	}
	out := answerOf(stage, d)
	if slices.ContainsFunc(r.Erased, func(pointer string) bool { return strings.HasPrefix(pointer, "/result/patch") }) {
		out.patchLost = true
	} else {
		out.patch = r.Result.Patch
	}
	return out, nil
}
