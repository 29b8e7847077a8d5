package web

import (
	"net/http"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
)

// overviewPage is what it shows: each half to those who may see it.
type overviewPage struct {
	Report *audit.Report // nil: nothing to show, for the reason of Lacking
	Total  audit.Counts
	Notes  []string
	Whole  bool // whether coverage is shown, too
	Lack   string
	Health *Health // nil for those who may not see it
	Ready  bool
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request, v *visit) error {
	var page overviewPage
	if seen, err := s.seen(r, v); err != nil {
		page.Lack = err.Error()
	} else {
		page.Report, page.Notes, page.Whole, page.Total = &seen.Report, seen.Notes, seen.All, seen.Total()
	}
	may, err := s.rights.may(r.Context(), v.who, Policies, "")
	if err != nil {
		return s.unknown("what you may see", err)
	}
	if may {
		health := s.options.Health()
		page.Health = &health
		page.Ready = !slices.ContainsFunc(health.Checks, func(c Check) bool { return c.Lack != "" })
	}
	return s.show(w, http.StatusOK, "overview", s.view(v, "Overview", "/ui/", page))
}
