package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/audit/decisions"
)

// maxRelated bounds what is shown beside a decision, of all replicas together.
const maxRelated = 50

// decisionPage is what it shows.
type decisionPage struct {
	decisionPart
	Replica  string // whose decision it is, if it is another's
	Input    string
	Cut      bool // there is more of it
	Took     string
	Findings []foundPlace
	Changed  []whence // the rules that ask for changes
	Notes    []string
}

// decisionPart is what the replica that decided knows of it.
type decisionPart struct {
	decisions.Explanation `json:"explanation"`
	Known                 bool    `json:"known"`
	Fired                 []Fired `json:"fired,omitempty"`
	Why                   string  `json:"why,omitempty"` // what is to be known of the rules, as one sentence
}

// relatedPart is what one replica has of other records of the same request.
type relatedPart struct {
	Related []decisions.Related `json:"related"`
}

func (s *Server) decisionPart(r *http.Request, v *visit) (any, error) { return s.ownDecision(r, v) }

// ownDecision is one that this replica keeps; it is not known if there is none that somebody may see.
func (s *Server) ownDecision(r *http.Request, v *visit) (out decisionPart, err error) {
	may, _, err := s.mayDecisions(r, v)
	if err != nil {
		return out, err
	}
	if out.Explanation, out.Known = s.options.Decisions.Explain(r.PathValue("id"), may); out.Known {
		out.Fired, out.Why, err = s.because(r, v, &out.Record)
	}
	return out, err
}

func (s *Server) relatedPart(r *http.Request, v *visit) (any, error) {
	may, _, err := s.mayDecisions(r, v)
	if err != nil {
		return nil, err
	}
	var of decisions.Brief
	if err := json.NewDecoder(r.Body).Decode(&of); err != nil {
		return nil, failure{http.StatusBadRequest, "Not understood", "What other records are looked for cannot be read."}
	}
	return relatedPart{s.options.Decisions.Related(&of, may)}, nil
}

func (s *Server) decision(w http.ResponseWriter, r *http.Request, v *visit) error {
	own, refusal := s.ownDecision(r, v)
	if refusal != nil && !forbidden(refusal) {
		return refusal
	}
	page := decisionPage{decisionPart: own}
	if !own.Known {
		others := gather[decisionPart](r.Context(), s, v, "decided", http.MethodGet, "/ui/part/decisions/"+pathOf(r.PathValue("id")), nil)
		at := slices.IndexFunc(others.parts, func(p decisionPart) bool { return p.Known })
		if at < 0 && refusal != nil && len(others.parts) == 0 {
			return refusal
		}
		if at < 0 {
			return failure{http.StatusNotFound, "No such decision", strings.Join(append([]string{
				"No decision of this name is kept, or none that you may see: it may be too old. The decision log has it.",
			}, others.notes...), " ")}
		}
		page.decisionPart, page.Replica = others.parts[at], others.of[at]
	}
	if err := s.addRelated(r, v, &page, refusal == nil); err != nil {
		return err
	}
	s.addRules(&page)
	if took := page.Record.Metrics.Nanoseconds; took > 0 {
		page.Took = fmt.Sprintf("%.3f ms", float64(took)/1e6)
	}
	var input bytes.Buffer
	if json.Indent(&input, page.Record.Input, "", "  ") == nil {
		page.Input = input.String()
	}
	if len(page.Input) > maxInput {
		page.Input, page.Cut = strings.ToValidUTF8(page.Input[:maxInput], ""), true
	}
	return s.show(w, http.StatusOK, "decision", s.view(v, "One decision", "/ui/decisions", page))
}

// addRelated adds what those have of the same request who do not keep the record.
func (s *Server) addRelated(r *http.Request, v *visit, page *decisionPage, mayHere bool) error {
	of, err := json.Marshal(page.Brief)
	if err != nil {
		return err
	}
	if len(of) > maxForm {
		page.Notes = append(page.Notes, "What other replicas have of the same request is not looked for: this record names too much.")
		return nil
	}
	known := map[string]bool{}
	add := func(all []decisions.Related) {
		for _, one := range all {
			if key := one.Brief.Path + " " + one.Brief.ID; !known[key] {
				known[key] = true
				page.Related = append(page.Related, one)
			}
		}
	}
	before := page.Related
	page.Related = nil
	add(before)
	if page.Replica != "" && mayHere {
		may, _, err := s.mayDecisions(r, v)
		if err != nil {
			return err
		}
		add(s.options.Decisions.Related(&page.Brief, may))
	}
	others := gather[relatedPart](r.Context(), s, v, "has of the same request", http.MethodPost, "/ui/part/related", of)
	for _, part := range others.parts {
		add(part.Related)
	}
	page.Notes = append(page.Notes, others.notes...)
	apart := func(b decisions.Brief) time.Duration { return b.Time.Sub(page.Brief.Time).Abs() }
	page.Related = slices.DeleteFunc(page.Related, func(one decisions.Related) bool {
		return one.Brief.ID == page.Brief.ID && one.Brief.Path == page.Brief.Path
	})
	slices.SortStableFunc(page.Related, func(a, b decisions.Related) int { return cmp.Compare(apart(a.Brief), apart(b.Brief)) })
	page.Related = page.Related[:min(len(page.Related), maxRelated)]
	return nil
}
