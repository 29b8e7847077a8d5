package cmd

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

// The elements of a JUnit report that the readers of such reports have in common.
type (
	junitReport struct {
		XMLName xml.Name `xml:"testsuites"`
		junitTally
		Suites []junitSuite `xml:"testsuite"`
	}
	junitTally struct {
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"` // seconds
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitTally
		Cases []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string         `xml:"name,attr"`
		Class   string         `xml:"classname,attr"`
		Time    string         `xml:"time,attr"`
		Skipped *struct{}      `xml:"skipped"`
		Error   *junitProblem  `xml:"error"`
		Failure []junitProblem `xml:"failure"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

func printJUnit(out io.Writer, report suite.Report) error {
	doc := junitReport{Suites: []junitSuite{}}
	sum := 0.0
	for _, s := range report.Suites {
		doc.Suites = append(doc.Suites, junitOf(s))
		sum += s.Seconds
	}
	doc.junitTally = tallyOf(report.Tally, sum)
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func tallyOf(t suite.Tally, time float64) junitTally {
	return junitTally{Tests: t.Cases, Failures: t.Failed, Errors: t.Errors, Skipped: t.Skipped, Time: junitTime(time)}
}

func junitTime(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

// junitOf is one suite. What counts as a case is one there, too.
func junitOf(s suite.SuiteResult) junitSuite {
	out := junitSuite{Name: s.File, junitTally: tallyOf(s.Tally(), s.Seconds), Cases: []junitCase{}}
	add := func(name, class string, time float64, outcome suite.Outcome, err string, failures []junitProblem) {
		c := junitCase{Name: name, Class: class, Time: junitTime(time), Failure: failures}
		switch {
		case outcome == suite.Skipped:
			c.Skipped = &struct{}{}
		case err != "":
			c.Error = &junitProblem{Message: err, Type: "error"}
		}
		out.Cases = append(out.Cases, c)
	}
	if s.Error != "" {
		add(s.File, s.File, 0, suite.Error, s.Error, nil)
	}
	for _, t := range s.Tests {
		if t.IsCase() {
			var failures []junitProblem
			if t.Failure != "" {
				failures = []junitProblem{{Message: t.At + ": " + t.Failure, Type: "failure"}}
			}
			add(t.Name, s.File, t.Seconds, t.Outcome, t.Error, failures)
		}
		for _, c := range t.Cases {
			var failures []junitProblem
			for _, f := range c.Failures {
				failures = append(failures, junitProblem{Message: f.At + ": " + f.Want, Type: "failure", Text: strings.TrimSuffix("\n"+gotText(f.Got, ""), "\n")})
			}
			add(c.Name, s.File+" "+t.Name, c.Seconds, c.Outcome, c.Error, failures)
		}
	}
	return out
}
