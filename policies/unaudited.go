package policies

import (
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// Unaudited says why the policy is not asked about objects that are there already, as one sentence: because it is about who asks, about what is
// done, or about no objects at all. It is empty for one that Set.Audit asks.
func (p *Policy) Unaudited() string {
	s := &p.spec
	switch {
	case s.enforcement(review.FromAudit) == EnforceOff && s.Off():
		return "It is off."
	case s.enforcement(review.FromAudit) == EnforceOff:
		return "Its enforcement leaves the audit out."
	case s.Convention == Gatekeeper:
		return ""
	case !slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.Stage == review.Validate }):
		return withoutObjects(s.Rules)
	case len(s.Match.Users)+len(s.Match.Groups) > 0:
		return "Its match names users or groups, and nobody makes a request of what is there already."
	case len(s.Match.Operations) > 0 && !slices.Contains(s.Match.Operations, "create") && !slices.Contains(s.Match.Operations, "*"):
		return "Its match is about " + strings.ReplaceAll(strings.ToUpper(strings.Join(s.Match.Operations, " ")), " ", " and ") + ", and not about what is there already."
	case len(s.Match.Resources) > 0 && !slices.ContainsFunc(s.Match.Resources, func(r Resource) bool { return r.Subresource == "" }):
		return "Its match names subresources alone, which are something done with an object and not there by themselves."
	}
	return p.unaskable
}

// withoutObjects is why a policy without a rule for admission's last stage is not audited.
func withoutObjects(rules []Rule) string {
	at := func(stages ...review.Stage) bool {
		return slices.ContainsFunc(rules, func(r Rule) bool { return slices.Contains(stages, r.Stage) })
	}
	switch {
	case at(review.Mutate):
		return "It changes objects when they are written, and says of none that it may not be there."
	case at(review.Guard, review.Grant):
		return "It is about who may do what, and not about what is there already."
	case at(review.Authenticate):
		return "It is about whose a token is, and not about what is there already."
	default:
		return "It is about images by themselves, and not about the objects that name them."
	}
}
