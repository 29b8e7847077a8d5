package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/gatekeeper/suite"
)

// suiteText is what came of a suite, as go test prints that of a package: a line for the whole, and below it what is not as expected; all of it,
// if verbose.
func suiteText(s suite.SuiteResult, verbose bool) string {
	var out strings.Builder
	word := map[suite.Outcome]string{suite.OK: "ok", suite.Failed: "FAIL", suite.Error: "FAIL", suite.Skipped: "skip"}[s.Outcome]
	fmt.Fprintf(&out, "%-4s\t%s\t%.3fs\n", word, s.File, s.Seconds)
	problem(&out, s.Error)
	for _, t := range s.Tests {
		if verbose && len(t.Cases) == 0 {
			line(&out, t.Outcome, t.Name, t.Seconds)
		}
		problem(&out, t.Error)
		if t.Failure != "" {
			problem(&out, fmt.Sprintf("%s: test %s: %s", t.At, t.Name, t.Failure))
		}
		for _, c := range t.Cases {
			if verbose {
				line(&out, c.Outcome, t.Name+"//"+c.Name, c.Seconds)
			}
			problem(&out, c.Error)
			for _, f := range c.Failures {
				problem(&out, fmt.Sprintf("%s: test %s, case %s: %s", f.At, t.Name, c.Name, f.Want))
				out.WriteString(gotText(f.Got, "        "))
			}
		}
	}
	return out.String()
}

// line is that of one test or case.
func line(out *strings.Builder, outcome suite.Outcome, name string, seconds float64) {
	fmt.Fprintf(out, "    --- %s: %s (%.3fs)\n", strings.ToUpper(string(outcome)), name, seconds)
}

// problem writes an error, which may have several lines, below the line of the suite.
func problem(out *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		out.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
}

// gotText lists the messages that came, if the failure is about them.
func gotText(messages []string, indent string) string {
	switch {
	case messages == nil:
		return ""
	case len(messages) == 0:
		return indent + "got no violation at all\n"
	}
	var out strings.Builder
	for _, message := range messages {
		out.WriteString(indent + "got: " + message + "\n")
	}
	return out.String()
}

// printReport prints what came of all suites as JSON, in the shape of suite.Report.
func printReport(out io.Writer, report suite.Report) error {
	if report.Suites == nil {
		report.Suites = []suite.SuiteResult{}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// sums is the last line, for people.
func sums(r suite.Report) string {
	count := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	out := fmt.Sprintf("%s in %s: %d ok, %d failed", count(r.Cases, "case", "cases"), count(len(r.Suites), "suite", "suites"),
		r.Cases-r.Failed-r.Errors-r.Skipped, r.Failed)
	if r.Errors > 0 {
		out += fmt.Sprintf(", %d not run for an error", r.Errors)
	}
	if r.Skipped > 0 {
		out += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	return out
}
