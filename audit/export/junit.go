package export

import (
	"fmt"
	"io"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export/junit"
)

// writeJUnit writes a suite for each group. Each result is a case; that other objects pass is one more, so that a clean report says what was asked.
func writeJUnit(out io.Writer, r *audit.Report, o Options) error {
	suites := []junit.Suite{}
	for _, g := range Groups(r, o.By) {
		suites = append(suites, junitGroup(g, o.By))
	}
	suites = append(suites, junitCoverage(r))
	var sum junit.Tally
	for _, suite := range suites {
		sum = sum.Plus(suite.Tally)
	}
	return junit.Report{Tally: sum, Suites: suites}.Write(out)
}

func junitGroup(g Group, by By) junit.Suite {
	name := visible(g.Label(by))
	suite := junit.Suite{Name: name, Cases: []junit.Case{}}
	for _, r := range g.Results {
		addCase(&suite, junitResult(r))
	}
	for _, p := range g.Unaudited() {
		addCase(&suite, junit.Case{Name: visible(p.ID), Class: name, Skipped: &junit.Skipped{Message: visible(p.Unaudited)}})
	}
	if g.Counts.Pass > 0 {
		addCase(&suite, junit.Case{Name: plural(g.Counts.Pass, "judgement passes", "judgements pass"), Class: name})
	}
	return suite
}

func junitResult(r audit.Result) junit.Case {
	out := junit.Case{Name: visible(about(r.Object)), Class: visible(r.Policy)}
	if r.Field != "" {
		out.Name += " " + visible(r.Field)
	}
	problem := junit.Problem{Message: visible(r.Message), Type: outcome(r.Outcome)}
	switch r.Outcome {
	case audit.Pass:
	case audit.Fail, audit.Warn:
		if r.Severity != "" {
			problem.Text = "severity: " + visible(r.Severity)
		}
		out.Failure = []junit.Problem{problem}
	case audit.Skip:
		out.Skipped = &junit.Skipped{Message: visible(said(r))}
	default:
		out.Error = &problem
	}
	return out
}

// junitCoverage is a suite with a case for each resource, which passes when all of it was judged.
func junitCoverage(r *audit.Report) junit.Suite {
	suite := junit.Suite{Name: "reconciliation", Cases: []junit.Case{}}
	for _, c := range r.Coverage {
		one := junit.Case{Name: visible(c.Resource), Class: "reconciliation"}
		if !c.Reconciled() {
			one.Error = &junit.Problem{Message: visible(fmt.Sprintf("%s; %s", c.Reconciliation(), c.Trouble)), Type: "error"}
		}
		addCase(&suite, one)
	}
	return suite
}

func addCase(s *junit.Suite, c junit.Case) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Skipped != nil:
		s.Skipped++
	case c.Error != nil:
		s.Errors++
	case len(c.Failure) > 0:
		s.Failures++
	}
}
