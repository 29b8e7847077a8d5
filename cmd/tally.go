package cmd

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
)

// tally says how many there are in a bundle of all that a server puts in force, so that who meant to have more sees it. What excluded reports
// of a file is not counted.
func tally(bundle policies.Bundle, excluded func(file string) bool) string {
	var constraints, mutators, expansions, providers, others int
	for _, spec := range bundle.Specs {
		switch {
		case excluded(spec.File):
		case spec.Convention == policies.Gatekeeper:
			constraints++
		default:
			others++
		}
	}
	for _, d := range bundle.Documents {
		switch {
		case excluded(d.File):
		case isMutator(d):
			mutators++
		case expansion.Concerns(d):
			expansions++
		case external.Concerns(d):
			providers++
		}
	}
	var out []string
	for _, kind := range []struct {
		count     int
		one, many string
	}{
		{constraints, "constraint", "constraints"},
		{mutators, "mutator", "mutators"},
		{expansions, "ExpansionTemplate", "ExpansionTemplates"},
		{providers, "Provider", "Providers"},
		{others, "policy", "policies"},
	} {
		switch {
		case kind.count == 1:
			out = append(out, "1 "+kind.one)
		case kind.count > 1:
			out = append(out, fmt.Sprintf("%d %s", kind.count, kind.many))
		}
	}
	if len(out) == 0 {
		return "nothing here would be in force: there is no policy, constraint or mutator"
	}
	return strings.Join(out, ", ")
}
