package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// Fired is one rule of a policy in force, and what it says of a decision that was looked at once more.
type Fired struct {
	Policy string
	Rule   string // its name, as "deny"
	File   string
	Row    int
	// Message and Field are those of the finding; empty for rules that have none, as mutate.
	Message, Field string
}

// whence is where a rule stands, as a page shows it.
type whence struct {
	Rule, Label string
	Href        string // empty if there is no page that shows it
}

// foundPlace is a finding with the rules that say it.
type foundPlace struct {
	decisions.Finding
	Rules []whence
}

// because finds the rules that said what is in the record, for those who may see policies.
func (s *Server) because(r *http.Request, v *visit, record *decisions.Record) (fired []Fired, note string, err error) {
	if s.options.Why == nil || record.Result == nil {
		return nil, "", nil
	}
	switch may, err := s.rights.may(r.Context(), v.who, Policies, ""); {
	case err != nil:
		return nil, "", s.unknown("what you may see", err)
	case !may:
		return nil, "", nil
	}
	fired, note = s.why(r.Context(), record)
	return fired, note, nil
}

// addRules puts the rules beside what they said.
func (s *Server) addRules(page *decisionPage) {
	if page.Record.Result == nil {
		return
	}
	for _, f := range page.Record.Result.Findings {
		page.Findings = append(page.Findings, foundPlace{Finding: f})
	}
	for _, f := range page.Fired {
		at := s.whence(f)
		for i := range page.Findings {
			if p := &page.Findings[i]; p.Policy == f.Policy && p.Message == f.Message && p.Field == f.Field {
				p.Rules = append(p.Rules, at)
			}
		}
		if f.Rule == "mutate" {
			at.Rule = f.Policy
			page.Changed = append(page.Changed, at)
		}
	}
}

// why asks whoever knows, one page at a time: it is as much work as a review, and reviews come first.
func (s *Server) why(ctx context.Context, record *decisions.Record) ([]Fired, string) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return nil, ""
	}
	return s.options.Why(ctx, record)
}

// whence leads to the line in the policy's page.
func (s *Server) whence(f Fired) whence {
	out := whence{Rule: f.Rule, Label: f.File + ":" + number(f.Row)}
	if s.options.Detail == nil {
		return out
	}
	detail, ok := s.options.Detail(f.Policy)
	if !ok {
		return out
	}
	for i, file := range detail.Source {
		if file.Name == f.File && strings.Count(file.Text, "\n") >= f.Row-1 {
			out.Href = "/ui/policies/" + pathOf(f.Policy) + "#" + lineID(i, f.Row)
			break
		}
	}
	return out
}
