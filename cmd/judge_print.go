package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// The shape of -o json.
type (
	jsonResults struct {
		Results []jsonResult `json:"results"`
	}
	jsonResult struct {
		File     string          `json:"file"`
		Object   jsonObject      `json:"object"`
		Verdict  string          `json:"verdict"` // deny, allow, no-opinion, or error
		Error    string          `json:"error,omitempty"`
		Asked    []string        `json:"asked"` // the policies that were
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
			Verdict:  r.outcome(),
			Asked:    append([]string{}, r.asked...),
			Findings: []jsonFinding{},
			Patch:    r.patch,
		}
		if r.err != nil {
			one.Error = r.err.Error()
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

// printTable prints a line for each subject and one for each finding, and the sums on errOut. by is what they were judged by.
func printTable(out, errOut io.Writer, results []judged, by string) error {
	var text strings.Builder
	for _, r := range results {
		line := fmt.Sprintf("%-10s  %s  %s", r.outcome(), r.subject.at(), r.subject.about())
		text.WriteString(strings.TrimRight(line, " ") + "\n")
		for _, f := range r.findings {
			fmt.Fprintf(&text, "  %-8s  %s\n", f.Effect, f)
			if f.Cause != "" {
				fmt.Fprintf(&text, "  because   %s\n", f.Cause)
			}
		}
		if r.unasked() {
			fmt.Fprintf(&text, "  unasked   no policy is about %s\n", r.about)
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
	_, err := io.WriteString(errOut, summary(results, by)+"\n")
	return err
}

// unasked reports whether the verdict is that of no policy.
func (j judged) unasked() bool { return j.err == nil && len(j.asked) == 0 }

// judgedBy says how many policies there are, and how many of Gatekeeper's mutators if there are any.
func judgedBy(policies, mutators int) string {
	out := fmt.Sprintf("%d policies", policies)
	if policies == 1 {
		out = "1 policy"
	}
	switch {
	case mutators == 1:
		out += " and 1 mutator"
	case mutators > 1:
		out += fmt.Sprintf(" and %d mutators", mutators)
	}
	return out
}

// summary is the last line, for people.
func summary(results []judged, by string) string {
	counts := map[review.Verdict]int{}
	unjudged, unasked := 0, 0
	for _, r := range results {
		if r.err != nil {
			unjudged++
			continue
		}
		counts[r.verdict]++
		if r.unasked() {
			unasked++
		}
	}
	line := fmt.Sprintf("%d judged by %s: %d denied, %d allowed",
		len(results)-unjudged, by, counts[review.Deny], counts[review.Allow])
	if silent := counts[review.NoOpinion]; silent > 0 {
		line += fmt.Sprintf(", %d without an opinion", silent)
	}
	if unasked > 0 {
		line += fmt.Sprintf("; no policy was asked about %d of them", unasked)
	}
	if unjudged > 0 {
		line += fmt.Sprintf("; %d could not be judged", unjudged)
	}
	return line
}
