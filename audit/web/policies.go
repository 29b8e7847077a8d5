package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
)

// policiesPage is what it shows.
type policiesPage struct {
	Topics  []topic
	Number  int
	Audited bool // whether counts are known
	Notes   []string
}

// topic are the policies of one.
type topic struct {
	Name string
	Rows []groupRow
}

// mayPolicies refuses those who may not see policies.
func (s *Server) mayPolicies(r *http.Request, v *visit) error {
	may, err := s.rights.may(r.Context(), v.who, Policies, "")
	switch {
	case err != nil:
		return s.unknown("what you may see", err)
	case !may:
		return refused("policies", Policies)
	}
	return nil
}

// inForce are the policies in force, with the counts that somebody may see.
func (s *Server) inForce(r *http.Request, v *visit) (audit.Report, []string, bool) {
	seen, err := s.seen(r, v)
	if all, known := s.found(); known {
		seen.Policies = all.Policies
	}
	return seen.Report, seen.Notes, err == nil
}

func (s *Server) policies(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.mayPolicies(r, v); err != nil {
		return err
	}
	report, notes, audited := s.inForce(r, v)
	page := policiesPage{Number: len(report.Policies), Audited: audited, Notes: notes}
	for _, g := range export.Groups(&report, export.ByPolicy) {
		if len(g.Policies) == 0 {
			continue
		}
		name := g.Policies[0].Topic()
		if n := len(page.Topics); n == 0 || page.Topics[n-1].Name != name {
			page.Topics = append(page.Topics, topic{Name: name})
		}
		last := &page.Topics[len(page.Topics)-1]
		last.Rows = append(last.Rows, groupRow{Group: g, Label: g.Name, Href: "/ui/policies/" + pathOf(g.Name)})
	}
	return s.show(w, http.StatusOK, "policies", s.view(v, "Policies", "/ui/policies", page))
}

// policyPage is what it shows.
type policyPage struct {
	audit.Policy
	Detail
	Counts  audit.Counts
	Audited bool
	Results string // the address of what it found
	Files   []sourceFile
}

// sourceFile is a text with its lines, each at an address of its own.
type sourceFile struct {
	Name  string
	Test  bool
	Lines []sourceLine
}

type sourceLine struct {
	Number int
	ID     string // "L12" of the first file, "F2L12" of the second
	Text   string
}

func (s *Server) policy(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.mayPolicies(r, v); err != nil {
		return err
	}
	id := r.PathValue("id")
	report, _, audited := s.inForce(r, v)
	page := policyPage{Counts: report.Counts[id], Audited: audited}
	policy, known := byID(report.Policies)[id]
	if s.options.Detail != nil {
		if detail, ok := s.options.Detail(id); ok {
			page.Detail, known = detail, true
		}
	}
	if !known {
		return failure{http.StatusNotFound, "No such policy", "No policy of this name is in force; /ui/policies has those that are."}
	}
	if page.Policy = policy; policy.ID == "" {
		page.ID = id
	}
	page.Results = query{By: export.ByNamespace, Filters: map[string]string{"policy": id}}.at("/ui/violations")
	for i, file := range append(slices.Clip(page.Source), page.Tests...) {
		page.Files = append(page.Files, sourceFile{Name: file.Name, Test: i >= len(page.Source), Lines: lines(i, file.Text)})
	}
	return s.show(w, http.StatusOK, "policy", s.view(v, id, "/ui/policies", page))
}

func lines(file int, text string) (out []sourceLine) {
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line == "" && len(out) == 0 { // a document's Rego is as far down as in its file
			continue
		}
		out = append(out, sourceLine{Number: i + 1, ID: lineID(file, i+1), Text: line})
	}
	return out
}

// lineID is where a line stands in a policy's page.
func lineID(file, row int) string {
	if file == 0 {
		return "L" + strconv.Itoa(row)
	}
	return "F" + strconv.Itoa(file+1) + "L" + strconv.Itoa(row)
}
