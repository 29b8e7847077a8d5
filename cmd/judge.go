package cmd

import (
	"context"
	"fmt"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// judge asks about one subject what the API server would ask, stage by stage.
type judge struct {
	byStage map[review.Stage]review.Reviewer
	heard   *hearing // what the policies that are asked are heard by
}

func newJudge(set *policies.Set, theirs *mutatorSet, heard *hearing) judge {
	return judge{heard: heard, byStage: map[review.Stage]review.Reviewer{
		review.Authenticate: set, review.Guard: set, review.Grant: set, review.Validate: set, review.Image: set, review.Mutate: theirs.chain(set),
	}}
}

// judged is what came of one subject.
type judged struct {
	subject  subject
	verdict  review.Verdict
	findings []review.Finding
	patch    []byte
	identity *review.User
	asked    []string // the policies that were asked, or of which it could not be told whether to ask them
	about    string   // what the policies were asked about, in words
	err      error    // why there is no verdict
}

// outcome is the verdict in a word.
func (j judged) outcome() string {
	if j.err != nil {
		return "error"
	}
	return j.verdict.String()
}

func (j judge) judge(ctx context.Context, s subject) judged {
	out := judged{subject: s}
	if out.err = s.err; out.err == nil {
		if err := j.ask(ctx, s, &out); err != nil {
			out.err = fmt.Errorf("%s: %w", s.at(), err)
		}
	}
	out.asked = j.heard.since(out.findings)
	return out
}

// ask asks stage by stage, until one refuses.
func (j judge) ask(ctx context.Context, s subject, out *judged) error {
	body := s.body
	for _, dialect := range s.head.dialects() {
		req, _, err := dialect(body)
		if err != nil {
			return err
		}
		req.Origin = review.FromCommandLine
		out.about = aboutWhat(req)
		d, err := j.answer(ctx, req)
		if err != nil {
			return err
		}
		out.verdict = d.Verdict
		out.findings = append(out.findings, d.Findings...)
		if d.Identity != nil {
			out.identity = d.Identity
		}
		if len(d.Patch) > 0 {
			out.patch = d.Patch
			if body, err = patched(req, d.Patch); err != nil {
				return err
			}
		}
		if d.Verdict == review.Deny {
			break
		}
	}
	return nil
}

// all judges one subject after the other. One that cannot be judged is no reason to keep the others from being told of.
func (j judge) all(ctx context.Context, subjects []subject) ([]judged, error) {
	var results []judged
	for _, s := range subjects {
		result := j.judge(ctx, s)
		if ctx.Err() != nil { // a policy that was cut short has not refused anything
			return nil, ctx.Err()
		}
		results = append(results, result)
	}
	return results, nil
}

// askTime is what the API server gives an admission webhook by default; a policy that takes longer is answered here as it would be there.
const askTime = 10 * time.Second

func (j judge) answer(ctx context.Context, req *review.Request) (review.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return j.byStage[req.Stage].Review(ctx, req)
}

// patched is the review as it would be asked after the patch was applied.
func patched(req *review.Request, patch []byte) ([]byte, error) {
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("the patch cannot be read: %w", err)
	}
	object, err := decoded.Apply(req.Object)
	if err != nil {
		return nil, fmt.Errorf("the patch does not apply: %w", err)
	}
	return req.WithObject(object).Body, nil
}
