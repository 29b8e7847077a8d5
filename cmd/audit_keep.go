package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/policies/spelling"
)

// auditKeep are the flags that say which policies are asked.
type auditKeep struct{ policies, controls, severities []string }

// filter returns those of the policies that the flags leave. A name that none of them has is an error: it may be misspelt, and a report about nothing
// would look like one without a violation.
func (k auditKeep) filter(all []audit.Policy) ([]audit.Policy, error) {
	var err error
	all, err = keepThose(all, "policy", k.policies, func(p audit.Policy) []string { return []string{p.ID, p.Topic()} })
	if err == nil {
		all, err = keepThose(all, "control", k.controls, func(p audit.Policy) []string { return withStandards(p.Controls) })
	}
	if err == nil {
		all, err = keepThose(all, "severity", k.severities, func(p audit.Policy) []string { return []string{p.Severity} })
	}
	return all, err
}

func keepThose(all []audit.Policy, flag string, wanted []string, of func(audit.Policy) []string) ([]audit.Policy, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	var known []string
	for _, p := range all {
		known = append(known, of(p)...)
	}
	for _, value := range wanted {
		if slices.Contains(known, value) {
			continue
		}
		hint := ""
		if near := spelling.Nearest(value, known...); near != "" {
			hint = "; did you mean " + near + "?"
		}
		return nil, fmt.Errorf("--%s %s: none of the policies that are left has it%s", flag, value, hint)
	}
	return slices.DeleteFunc(slices.Clone(all), func(p audit.Policy) bool {
		return !slices.ContainsFunc(of(p), func(value string) bool { return slices.Contains(wanted, value) })
	}), nil
}

// withStandards are controls, and the standards that they are of.
func withStandards(controls []string) []string {
	out := slices.Clone(controls)
	for _, control := range controls {
		standard, _, _ := strings.Cut(control, "/")
		out = append(out, standard)
	}
	return out
}
