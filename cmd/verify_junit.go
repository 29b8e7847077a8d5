package cmd

import (
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/audit/export/junit"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

func printJUnit(out io.Writer, report suite.Report) error {
	doc := junit.Report{Suites: []junit.Suite{}}
	sum := 0.0
	for _, s := range report.Suites {
		doc.Suites = append(doc.Suites, junitOf(s))
		sum += s.Seconds
	}
	doc.Tally = tallyOf(report.Tally, sum)
	return doc.Write(out)
}

func tallyOf(t suite.Tally, time float64) junit.Tally {
	return junit.Tally{Tests: t.Cases, Failures: t.Failed, Errors: t.Errors, Skipped: t.Skipped, Time: junit.Seconds(time)}
}

// junitOf is one suite. What counts as a case is one there, too.
func junitOf(s suite.SuiteResult) junit.Suite {
	out := junit.Suite{Name: s.File, Tally: tallyOf(s.Tally(), s.Seconds), Cases: []junit.Case{}}
	add := func(name, class string, time float64, outcome suite.Outcome, err string, failures []junit.Problem) {
		c := junit.Case{Name: name, Class: class, Time: junit.Seconds(time), Failure: failures}
		switch {
		case outcome == suite.Skipped:
			c.Skipped = &junit.Skipped{}
		case err != "":
			c.Error = &junit.Problem{Message: err, Type: "error"}
		}
		out.Cases = append(out.Cases, c)
	}
	if s.Error != "" {
		add(s.File, s.File, 0, suite.Error, s.Error, nil)
	}
	for _, t := range s.Tests {
		if t.IsCase() {
			var failures []junit.Problem
			if t.Failure != "" {
				failures = []junit.Problem{{Message: t.At + ": " + t.Failure, Type: "failure"}}
			}
			add(t.Name, s.File, t.Seconds, t.Outcome, t.Error, failures)
		}
		for _, c := range t.Cases {
			var failures []junit.Problem
			for _, f := range c.Failures {
				failures = append(failures, junit.Problem{Message: f.At + ": " + f.Want, Type: "failure", Text: strings.TrimSuffix("\n"+gotText(f.Got, ""), "\n")})
			}
			add(c.Name, s.File+" "+t.Name, c.Seconds, c.Outcome, c.Error, failures)
		}
	}
	return out
}
