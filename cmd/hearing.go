package cmd

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// hearing is a policies.Observer that remembers which policies were asked.
type hearing struct {
	mu    sync.Mutex
	asked []string
}

// Asked implements policies.Observer.
func (h *hearing) Asked(policy string, _ time.Duration, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, policy)
}

// Overrun implements policies.Observer.
func (h *hearing) Overrun(string, int) {}

// Quarantined makes hearing a policies.Observer.
func (h *hearing) Quarantined(string) {}

// since returns the policies asked since it was called last, sorted, each once. Those that have findings are among them: of one whose
// namespace is not known it cannot be told whether to ask it.
func (h *hearing) since(findings []review.Finding) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.asked
	h.asked = nil
	for _, f := range findings {
		if f.Policy != "" {
			out = append(out, f.Policy)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// aboutWhat says in words what a policy would have to be about to be asked.
func aboutWhat(req *review.Request) string {
	what := strings.ToUpper(req.Verb) + " " + req.Target.String()
	switch req.Stage {
	case review.Authenticate:
		what = "tokens"
	case review.Image:
		if what = "images"; req.Target.Namespace != "" {
			what += " in " + req.Target.Namespace
		}
	case review.Guard, review.Grant:
		what = "access: " + req.Verb + " " + req.Target.String()
	default:
	}
	return review.Sentence(what, maxAbout)
}
