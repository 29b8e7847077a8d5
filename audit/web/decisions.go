package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// maxInput bounds how much of a review a page shows: more than anybody reads.
const maxInput = 256 << 10

// decisionsPage is what it shows.
type decisionsPage struct {
	Fields      []filterField
	Shown       []*decisions.Brief
	Found       int
	First, Last int
	Before      string
	After       string
	Clear       string // the address without filters; empty if there are none
	Forgotten   uint64
	Notes       []string
}

// decisionsQuery says which decisions a page shows, as query does of results.
type decisionsQuery struct {
	decisions.Filter
	page int
}

func readDecisionsQuery(values url.Values) (q decisionsQuery, err error) {
	q.page = 1
	for name, all := range values {
		switch value := all[len(all)-1]; name {
		case "verdict":
			q.Verdict = value
		case "policy":
			q.Policy = value
		case "namespace":
			q.Namespace = value
		case "user":
			q.User = value
		case "stage":
			q.Path = value
		case "failed-open":
			q.FailedOpen = value != ""
		case "page":
			if q.page, err = readPage(value); err != nil {
				return q, err
			}
		default:
			return q, misunderstood("there is no filter called " + name)
		}
	}
	return q, nil
}

// at is the address of a page of the same.
func (q decisionsQuery) at(page int) string {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("verdict", q.Verdict)
	set("policy", q.Policy)
	set("namespace", q.Namespace)
	set("user", q.User)
	set("stage", q.Path)
	if q.FailedOpen {
		set("failed-open", "yes")
	}
	if page > 1 {
		set("page", strconv.Itoa(page))
	}
	return strings.TrimSuffix("/ui/decisions?"+values.Encode(), "?")
}

func (q decisionsQuery) fields() []filterField {
	return []filterField{
		{Name: "verdict", Label: "Verdict", Value: q.Verdict, Choices: []string{"deny", "allow", "no-opinion", decisions.NoAnswer}, Closed: true},
		{
			Name: "stage", Label: "Stage", Value: q.Path, Closed: true,
			Choices: []string{"authenticate", "authorize/guard", "authorize/grant", "mutate", "validate", "image", decisions.PathEvent, decisions.PathGap},
		},
		{Name: "namespace", Label: "Namespace", Value: q.Namespace},
		{Name: "user", Label: "User", Value: q.User},
		{Name: "policy", Label: "Policy", Value: q.Policy},
		{Name: "failed-open", Label: "Failed open", Value: map[bool]string{true: "yes"}[q.FailedOpen], Choices: []string{"yes"}, Closed: true},
	}
}

// mayDecisions says which records somebody may see.
func (s *Server) mayDecisions(r *http.Request, v *visit) (may func(*decisions.Brief) bool, notes []string, err error) {
	if s.options.Decisions == nil {
		return nil, nil, failure{http.StatusNotFound, "Nothing is kept", "This server keeps no decisions to be looked at."}
	}
	known := map[string]bool{"": true}
	var namespaces []string
	for b := range s.options.Decisions.All() {
		if namespace := b.Namespace(); !known[namespace] {
			known[namespace] = true
			namespaces = append(namespaces, namespace)
		}
	}
	slices.Sort(namespaces)
	within, err := s.rights.scope(r.Context(), v.who, Decisions, namespaces)
	switch {
	case err != nil:
		return nil, nil, s.unknown("what you may see", err)
	case within.none():
		return nil, nil, refused("decisions of the cluster, nor of one of its namespaces in which something was decided", Decisions)
	case !within.all:
		notes = append(notes, "You see decisions about what is in namespaces in which you may get decisions.portcullis.dev.")
	}
	if within.unasked > 0 {
		notes = append(notes, fmt.Sprintf("You may see decisions of further namespaces: %d were not asked about, because there are more than %d.", within.unasked, maxNamespaces))
	}
	if others := s.options.Others(); len(others) > 0 {
		notes = append(notes, "Here is what this replica decided; "+strings.Join(others, ", ")+" answered other requests. The decision log has all of them.")
	}
	return func(b *decisions.Brief) bool { return within.has(b.Namespace()) }, notes, nil
}

func (s *Server) decisions(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := readDecisionsQuery(r.URL.Query())
	if err != nil {
		return err
	}
	may, notes, err := s.mayDecisions(r, v)
	if err != nil {
		return err
	}
	page := decisionsPage{Fields: q.fields(), Notes: notes, Forgotten: s.options.Decisions.Forgotten()}
	if q.Filter != (decisions.Filter{}) {
		page.Clear = "/ui/decisions"
	}
	start := (q.page - 1) * perPage
	for b := range s.options.Decisions.All() {
		if !may(b) || !q.Matches(b) {
			continue
		}
		if page.Found >= start && len(page.Shown) < perPage {
			page.Shown = append(page.Shown, b)
		}
		page.Found++
	}
	page.First, page.Last = start+1, start+len(page.Shown)
	if q.page > 1 {
		page.Before = q.at(q.page - 1)
	}
	if page.Last < page.Found {
		page.After = q.at(q.page + 1)
	}
	return s.show(w, http.StatusOK, "decisions", s.view(v, "Decisions", "/ui/decisions", page))
}

// decisionPage is what it shows.
type decisionPage struct {
	decisions.Explanation
	Input    string
	Cut      bool // there is more of it
	Took     string
	Findings []foundPlace
	Changed  []whence // the rules that ask for changes
	Why      string   // what is to be known of the rules, as one sentence
}

func (s *Server) decision(w http.ResponseWriter, r *http.Request, v *visit) error {
	may, _, err := s.mayDecisions(r, v)
	if err != nil {
		return err
	}
	explained, ok := s.options.Decisions.Explain(r.PathValue("id"), may)
	if !ok {
		return failure{
			http.StatusNotFound, "No such decision",
			"No decision of this name is kept here, or none that you may see: it may be too old, or another replica's. The decision log has it.",
		}
	}
	page := decisionPage{Explanation: explained}
	if took := explained.Record.Metrics.Nanoseconds; took > 0 {
		page.Took = fmt.Sprintf("%.3f ms", float64(took)/1e6)
	}
	var input bytes.Buffer
	if json.Indent(&input, explained.Record.Input, "", "  ") == nil {
		page.Input = input.String()
	}
	if len(page.Input) > maxInput {
		page.Input, page.Cut = strings.ToValidUTF8(page.Input[:maxInput], ""), true
	}
	if err := s.because(r, v, &explained.Record, &page); err != nil {
		return err
	}
	return s.show(w, http.StatusOK, "decision", s.view(v, "One decision", "/ui/decisions", page))
}
