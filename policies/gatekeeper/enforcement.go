package gatekeeper

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/review"
)

// origins are the ways in that Gatekeeper calls enforcement points.
func origins() map[string]review.Origin {
	return map[string]review.Origin{
		"validation.gatekeeper.sh": review.FromWebhook,
		"audit.gatekeeper.sh":      review.FromAudit,
		"gator.gatekeeper.sh":      review.FromCommandLine,
	}
}

// apiServers is the enforcement point of what an API server evaluates itself, which is not for us.
const apiServers = "vap.k8s.io"

// scopedAction is one entry of spec.scopedEnforcementActions.
type scopedAction struct {
	Action            string `json:"action"`
	EnforcementPoints []struct {
		Name string `json:"name"`
	} `json:"enforcementPoints"`
}

// strengths are the enforcements from the weakest to the strongest.
func strengths() []policies.Enforcement {
	return []policies.Enforcement{policies.EnforceOff, policies.EnforceAudit, policies.EnforceWarn, policies.EnforceDeny}
}

func stronger(a, b policies.Enforcement) policies.Enforcement {
	if slices.Index(strengths(), a) < slices.Index(strengths(), b) {
		return b
	}
	return a
}

// action is the enforcement that an action is, or false if it is none.
func action(name string) (policies.Enforcement, bool) {
	out, ok := map[string]policies.Enforcement{
		"deny": policies.EnforceDeny, "warn": policies.EnforceWarn, "dryrun": policies.EnforceAudit,
	}[name]
	return out, ok
}

// enforce says what a constraint's violations do: everywhere, and where that differs. notes are what somebody should know of the scopes.
func enforce(spec constraintSpec) (
	everywhere policies.Enforcement, by map[review.Origin]policies.Enforcement, notes []misplaced, err error,
) {
	if spec.EnforcementAction != "scoped" {
		everywhere, ok := action(spec.EnforcementAction)
		if !ok {
			return "", nil, nil, under(fmt.Errorf("enforcementAction %q is none of deny, warn, dryrun and scoped", spec.EnforcementAction),
				"spec", "enforcementAction")
		}
		return everywhere, nil, nil, nil
	}
	if spec.ScopedEnforcementActions == nil {
		return "", nil, nil, under(errors.New("enforcementAction is scoped, and there are no scopedEnforcementActions that say where which is"),
			"spec", "enforcementAction")
	}
	by = map[review.Origin]policies.Enforcement{}
	for _, origin := range origins() {
		by[origin] = policies.EnforceOff
	}
	for i, scoped := range spec.ScopedEnforcementActions {
		at := []string{"spec", "scopedEnforcementActions", strconv.Itoa(i)}
		enforcement, ok := action(scoped.Action)
		if !ok {
			return "", nil, nil, under(fmt.Errorf("the action %q of scopedEnforcementActions is none of deny, warn and dryrun", scoped.Action), at...)
		}
		for j, point := range scoped.EnforcementPoints {
			reached := reachedBy(point.Name)
			for _, origin := range reached {
				by[origin] = stronger(by[origin], enforcement)
			}
			if len(reached) == 0 {
				notes = append(notes, misplaced{append(at, "enforcementPoints", strconv.Itoa(j)), elsewhere(point.Name)})
			}
		}
	}
	everywhere = policies.EnforceOff
	for _, enforcement := range by {
		everywhere = stronger(everywhere, enforcement)
	}
	for origin, enforcement := range by {
		if enforcement == everywhere {
			delete(by, origin)
		}
	}
	return everywhere, by, notes, nil
}

// reachedBy lists the ways in that an enforcement point stands for.
func reachedBy(point string) (out []review.Origin) {
	for name, origin := range origins() {
		if point == name || point == "*" {
			out = append(out, origin)
		}
	}
	return out
}

// elsewhere says why an enforcement point is passed over.
func elsewhere(point string) error {
	if point == apiServers {
		return fmt.Errorf("the enforcement point %s is an API server's own, and not enforced here", point)
	}
	names := []string{}
	for name := range origins() {
		names = append(names, name)
	}
	slices.Sort(names)
	return fmt.Errorf("there is no enforcement point %q, and nothing is enforced there; there are %s and \"*\"", point, strings.Join(names, ", "))
}

// onError is what a fault of a policy comes to: Gatekeeper answers it as it answers a violation.
func onError(enforcement policies.Enforcement) policies.OnError {
	switch enforcement {
	case policies.EnforceDeny:
		return policies.OnErrorDeny
	case policies.EnforceWarn:
		return policies.OnErrorWarn
	default:
		return policies.OnErrorAllow
	}
}
