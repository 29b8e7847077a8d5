package cmd

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/external"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/settings"
)

// tally says how many there are in a bundle of all that a server reads, so that who meant to have more sees it. What excluded reports of a
// file is not counted. Of templates and settings alone nothing would be in force.
func tally(bundle policies.Bundle, excluded func(file string) bool) string {
	var templates, constraints, mutators, expansions, providers, configs, syncSets, others int
	for _, spec := range bundle.Specs {
		switch {
		case excluded(spec.File):
		case spec.Convention == policies.Gatekeeper:
			constraints++
		default:
			others++
		}
	}
	for _, file := range bundle.Templates {
		if !excluded(file) {
			templates++
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
		case settings.IsConfig(d):
			configs++
		case settings.IsSyncSet(d):
			syncSets++
		}
	}
	var out []string
	for _, kind := range []struct {
		count     int
		one, many string
	}{
		{templates, "ConstraintTemplate", "ConstraintTemplates"},
		{constraints, "constraint", "constraints"},
		{mutators, "mutator", "mutators"},
		{expansions, "ExpansionTemplate", "ExpansionTemplates"},
		{providers, "Provider", "Providers"},
		{configs, "Config", "Configs"},
		{syncSets, "SyncSet", "SyncSets"},
		{others, "policy", "policies"},
	} {
		switch {
		case kind.count == 1:
			out = append(out, "1 "+kind.one)
		case kind.count > 1:
			out = append(out, fmt.Sprintf("%d %s", kind.count, kind.many))
		}
	}
	found := strings.Join(out, ", ")
	switch {
	case constraints+mutators+others > 0:
		return found
	case found != "":
		found += "; "
	}
	return found + "nothing here would be in force: there is no policy, constraint or mutator"
}
