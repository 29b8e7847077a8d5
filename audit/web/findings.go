package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// findings are what somebody may see of what was found, and what is to be said about it.
type findings struct {
	audit.Report `json:"report"`
	Notes        []string `json:"notes,omitempty"`
	All          bool     `json:"all,omitempty"` // all that is known, and not of some namespaces alone
}

// seen is what all replicas have found, as far as somebody may see it.
func (s *Server) seen(r *http.Request, v *visit) (findings, error) {
	own, refusal := s.ownFindings(r, v)
	if refusal != nil && !forbidden(refusal) {
		return own, refusal
	}
	defer turn(r.Context(), s.gathering)()
	others := gather[findings](r.Context(), s, v, "found", http.MethodGet, "/ui/part/findings", nil)
	parts := others.parts
	if refusal == nil {
		parts = append([]findings{own}, parts...)
	}
	if len(parts) == 0 {
		return own, refusal
	}
	out := findings{All: true}
	reports := make([]audit.Report, 0, len(parts))
	for _, part := range parts {
		reports = append(reports, part.Report)
		out.All = out.All && part.All
		for _, note := range part.Notes {
			if !slices.Contains(out.Notes, note) {
				out.Notes = append(out.Notes, note)
			}
		}
	}
	out.Report = audit.Merge(reports...)
	out.Cluster = s.options.Cluster
	if len(others.notes) > 0 {
		out.Notes = append(out.Notes, others.notes...)
		out.Coverage = append(slices.Clip(out.Coverage), audit.Coverage{Resource: "*", Trouble: strings.Join(others.notes, " ")})
	}
	return out, nil
}

// forbidden reports whether somebody may see nothing, as opposed to that nothing is known.
func forbidden(err error) bool {
	var f failure
	return errors.As(err, &f) && f.status == http.StatusForbidden
}

// findingsPart is what this replica tells another, no more than its share of maxResults.
func (s *Server) findingsPart(r *http.Request, v *visit) (any, error) {
	out, err := s.ownFindings(r, v)
	if err != nil {
		return nil, err
	}
	most := maxResults
	if peers, err := s.options.Peers(); err == nil && len(peers) > 0 {
		most /= min(len(peers), maxPeers) // as many as whoever asks has
	}
	if more := len(out.Results) - most; more > 0 {
		out.Results, out.Omitted = out.Results[:most], out.Omitted+more
	}
	return out, nil
}

// ownFindings is what this replica has found, as far as somebody may see it.
func (s *Server) ownFindings(r *http.Request, v *visit) (findings, error) {
	if s.options.Found == nil {
		return findings{}, failure{
			http.StatusNotFound, "Nothing is audited",
			"This server does not audit what is in the cluster; start it with --audit, or set audit.enabled in the chart's values.",
		}
	}
	all, ok := s.found()
	if !ok {
		return findings{}, failure{
			http.StatusServiceUnavailable, "Not everything was looked at yet",
			"The audit has not looked at everything once; try again in a moment.",
		}
	}
	out := findings{Report: all}
	var namespaces []string
	for _, result := range all.Results {
		if n := len(namespaces); n == 0 || namespaces[n-1] != result.Object.Namespace { // they are in this order
			namespaces = append(namespaces, result.Object.Namespace)
		}
	}
	within, err := s.rights.scope(r.Context(), v.who, Findings, namespaces)
	switch {
	case err != nil:
		return findings{}, s.unknown("what you may see", err)
	case within.all:
		out.All = true
		return out, nil
	case within.none():
		return findings{}, refused("what was found in the cluster, nor in one of its namespaces in which something was", Findings)
	}
	out.Notes = []string{"You see what was found in namespaces in which you may get findings.portcullis.dev; what passed is counted for those who may in the whole cluster."}
	if within.unasked > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("You may see results of further namespaces: %d were not asked about, because there are more than %d.", within.unasked, maxNamespaces))
	}
	out.Report = all.Only(func(result audit.Result) bool { return within.has(result.Object.Namespace) }, strings.Join(out.Notes, " "))
	return out, nil
}
