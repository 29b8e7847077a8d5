// Package junit has the elements of a JUnit report that its readers have in common, in the order in which they want them.
package junit

import (
	"encoding/xml"
	"io"
	"strconv"
)

// Report is the document.
type Report struct {
	XMLName xml.Name `xml:"testsuites"`
	Tally
	Suites []Suite `xml:"testsuite"`
}

// Tally are the counts of cases, and what they took.
type Tally struct {
	Tests    int     `xml:"tests,attr"`
	Failures int     `xml:"failures,attr"`
	Errors   int     `xml:"errors,attr"`
	Skipped  int     `xml:"skipped,attr"`
	Time     Seconds `xml:"time,attr"`
}

// Plus is the sum of both.
func (t Tally) Plus(u Tally) Tally {
	return Tally{
		Tests: t.Tests + u.Tests, Failures: t.Failures + u.Failures, Errors: t.Errors + u.Errors, Skipped: t.Skipped + u.Skipped, Time: t.Time + u.Time,
	}
}

// Seconds are written with three decimals.
type Seconds float64

// MarshalText implements encoding.TextMarshaler.
func (s Seconds) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(s), 'f', 3, 64), nil
}

// Suite are cases with a name in common.
type Suite struct {
	Name string `xml:"name,attr"`
	Tally
	Cases []Case `xml:"testcase"`
}

// Case is one of them. It passed if it has neither Skipped nor an Error nor a Failure.
type Case struct {
	Name    string    `xml:"name,attr"`
	Class   string    `xml:"classname,attr"`
	Time    Seconds   `xml:"time,attr"`
	Skipped *Skipped  `xml:"skipped"`
	Error   *Problem  `xml:"error"`
	Failure []Problem `xml:"failure"`
}

// Skipped is a case that is left out.
type Skipped struct {
	Message string `xml:"message,attr,omitempty"`
}

// Problem is why a case failed, or could not be judged.
type Problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Write writes the report.
func (r Report) Write(out io.Writer) error {
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}
