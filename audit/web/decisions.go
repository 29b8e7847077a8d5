package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

const (
	// maxInput bounds how much of a review a page shows: more than anybody reads.
	maxInput = 256 << 10
	// maxPages bounds the pages of a list of decisions: as many as a replica keeps by default.
	maxPages = 100
)

// decisionsPage is what it shows.
type decisionsPage struct {
	decisionsPart
	Fields      []filterField
	First, Last int
	Before      string
	After       string
	Clear       string // the address without filters; empty if there are none
}

// decisionsPart is what one replica, or all, have of it.
type decisionsPart struct {
	Shown     []decisions.Brief `json:"shown"` // the newest first
	Found     int               `json:"found"`
	Forgotten uint64            `json:"forgotten,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
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
			if q.page > maxPages {
				return q, misunderstood(fmt.Sprintf("there are no more than %d pages; narrow what is shown by the filters", maxPages))
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

// mayDecisions says which records of this replica somebody may see.
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
	return func(b *decisions.Brief) bool { return within.has(b.Namespace()) }, notes, nil
}

func (s *Server) decisionsPart(r *http.Request, v *visit) (any, error) {
	q, err := readDecisionsQuery(r.URL.Query())
	if err != nil {
		return nil, err
	}
	return s.ownDecisions(r, v, q)
}

// ownDecisions are those of this replica, up to the end of the page that is asked for.
func (s *Server) ownDecisions(r *http.Request, v *visit, q decisionsQuery) (decisionsPart, error) {
	may, notes, err := s.mayDecisions(r, v)
	if err != nil {
		return decisionsPart{}, err
	}
	out := decisionsPart{Notes: notes, Forgotten: s.options.Decisions.Forgotten()}
	for b := range s.options.Decisions.All() {
		if !may(b) || !q.Matches(b) {
			continue
		}
		if len(out.Shown) < q.page*perPage {
			out.Shown = append(out.Shown, *b)
		}
		out.Found++
	}
	return out, nil
}

// allDecisions are those of all replicas, up to the end of the page that is asked for.
func (s *Server) allDecisions(r *http.Request, v *visit, q decisionsQuery) (decisionsPart, error) {
	own, refusal := s.ownDecisions(r, v, q)
	if refusal != nil && !forbidden(refusal) {
		return own, refusal
	}
	defer turn(r.Context(), s.gathering)()
	others := gather[decisionsPart](r.Context(), s, v, "decided", http.MethodGet, strings.Replace(q.at(q.page), "/ui/", "/ui/part/", 1), nil)
	parts := others.parts
	if refusal == nil {
		parts = append([]decisionsPart{own}, parts...)
	}
	if len(parts) == 0 {
		return own, refusal
	}
	var out decisionsPart
	for _, part := range parts {
		out.Shown = append(out.Shown, part.Shown...)
		out.Found += part.Found
		out.Forgotten += part.Forgotten
		for _, note := range part.Notes {
			if !slices.Contains(out.Notes, note) {
				out.Notes = append(out.Notes, note)
			}
		}
	}
	slices.SortStableFunc(out.Shown, func(a, b decisions.Brief) int { return b.Time.Compare(a.Time) })
	out.Notes = append(out.Notes, others.notes...)
	return out, nil
}

func (s *Server) decisions(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := readDecisionsQuery(r.URL.Query())
	if err != nil {
		return err
	}
	part, err := s.allDecisions(r, v, q)
	if err != nil {
		return err
	}
	page := decisionsPage{Fields: q.fields(), decisionsPart: part}
	if q.Filter != (decisions.Filter{}) {
		page.Clear = "/ui/decisions"
	}
	start := min((q.page-1)*perPage, len(page.Shown))
	page.Shown = page.Shown[start:min(start+perPage, len(page.Shown))]
	page.First, page.Last = start+1, start+len(page.Shown)
	if q.page > 1 {
		page.Before = q.at(q.page - 1)
	}
	if page.Last < page.Found && q.page < maxPages {
		page.After = q.at(q.page + 1)
	}
	return s.show(w, http.StatusOK, "decisions", s.view(v, "Decisions", "/ui/decisions", page))
}
