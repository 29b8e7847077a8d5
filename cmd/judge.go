package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/portcullis-dev/portcullis/mutators"
	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// judge asks about one subject what the API server would ask, stage by stage.
type judge struct {
	byStage map[review.Stage]review.Reviewer
}

func newJudge(set *policies.Set) judge {
	mutate := mutators.Chain{mutators.Ask(set)}
	return judge{byStage: map[review.Stage]review.Reviewer{
		review.Authenticate: set, review.Guard: set, review.Grant: set, review.Validate: set, review.Image: set, review.Mutate: mutate,
	}}
}

// judged is what came of one subject.
type judged struct {
	subject  subject
	verdict  review.Verdict
	findings []review.Finding
	patch    []byte
	identity *review.User
}

func (j judge) judge(ctx context.Context, s subject) (judged, error) {
	out := judged{subject: s}
	body := s.body
	for _, dialect := range s.head.dialects() {
		req, _, err := dialect(body)
		if err != nil {
			return out, err
		}
		req.Origin = review.FromCommandLine
		d, err := j.ask(ctx, req)
		if err != nil {
			return out, err
		}
		out.verdict = d.Verdict
		out.findings = append(out.findings, d.Findings...)
		if d.Identity != nil {
			out.identity = d.Identity
		}
		if len(d.Patch) > 0 {
			out.patch = d.Patch
			if body, err = patched(req, d.Patch); err != nil {
				return out, err
			}
		}
		if d.Verdict == review.Deny {
			break
		}
	}
	return out, nil
}

// all judges one subject after the other.
func (j judge) all(ctx context.Context, subjects []subject) ([]judged, error) {
	var results []judged
	for _, s := range subjects {
		result, err := j.judge(ctx, s)
		if ctx.Err() != nil { // a policy that was cut short has not refused anything
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.at(), err)
		}
		results = append(results, result)
	}
	return results, nil
}

// askTime is what the API server gives an admission webhook by default; a policy that takes longer is answered here as it would be there.
const askTime = 10 * time.Second

func (j judge) ask(ctx context.Context, req *review.Request) (review.Decision, error) {
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

// The shape of -o json.
type (
	jsonResults struct {
		Results []jsonResult `json:"results"`
	}
	jsonResult struct {
		File     string          `json:"file"`
		Object   jsonObject      `json:"object"`
		Verdict  string          `json:"verdict"`
		Findings []jsonFinding   `json:"findings"`
		User     *jsonUser       `json:"user,omitempty"`
		Patch    json.RawMessage `json:"patch,omitempty"`
	}
	jsonObject struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Namespace  string `json:"namespace"`
		Name       string `json:"name"`
	}
	jsonFinding struct {
		Policy    string            `json:"policy"`
		Effect    string            `json:"effect"`
		Message   string            `json:"message"`
		Field     string            `json:"field"`
		Cause     string            `json:"cause,omitempty"`
		Exception *review.Exception `json:"exception,omitempty"`
	}
	jsonUser struct {
		Username string              `json:"username"`
		UID      string              `json:"uid,omitempty"`
		Groups   []string            `json:"groups,omitempty"`
		Extra    map[string][]string `json:"extra,omitempty"`
	}
)

func printJSON(out io.Writer, results []judged) error {
	doc := jsonResults{Results: []jsonResult{}}
	for _, r := range results {
		h := r.subject.head
		one := jsonResult{
			File:     r.subject.file,
			Object:   jsonObject{APIVersion: h.APIVersion, Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name},
			Verdict:  r.verdict.String(),
			Findings: []jsonFinding{},
			Patch:    r.patch,
		}
		for _, f := range r.findings {
			one.Findings = append(one.Findings, jsonFinding{
				Policy: f.Policy, Effect: string(f.Effect), Message: f.Message, Field: f.Field, Cause: f.Cause, Exception: f.Exception,
			})
		}
		if u := r.identity; u != nil {
			one.User = &jsonUser{Username: u.Username, UID: u.UID, Groups: u.Groups, Extra: u.Extra}
		}
		doc.Results = append(doc.Results, one)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(doc)
}

// printTable prints a line for each subject and one for each finding, and the sums on errOut. asked is how many policies there were.
func printTable(out, errOut io.Writer, results []judged, asked int) error {
	var text strings.Builder
	counts := map[review.Verdict]int{}
	for _, r := range results {
		counts[r.verdict]++
		fmt.Fprintf(&text, "%-10s  %s  %s\n", r.verdict, r.subject.at(), r.subject.about())
		for _, f := range r.findings {
			fmt.Fprintf(&text, "  %-8s  %s\n", f.Effect, f)
			if f.Cause != "" {
				fmt.Fprintf(&text, "  because   %s\n", f.Cause)
			}
		}
		if r.identity != nil {
			fmt.Fprintf(&text, "  user      %s %v\n", r.identity.Username, r.identity.Groups)
		}
		if len(r.patch) > 0 {
			fmt.Fprintf(&text, "  patch     %s\n", r.patch)
		}
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return err
	}
	_, err := io.WriteString(errOut, summary(counts, asked)+"\n")
	return err
}

// summary is the last line, for people.
func summary(counts map[review.Verdict]int, asked int) string {
	noun := "policies"
	if asked == 1 {
		noun = "policy"
	}
	denied, allowed, silent := counts[review.Deny], counts[review.Allow], counts[review.NoOpinion]
	line := fmt.Sprintf("%d judged by %d %s: %d denied, %d allowed", denied+allowed+silent, asked, noun, denied, allowed)
	if silent > 0 {
		line += fmt.Sprintf(", %d without an opinion", silent)
	}
	return line
}
