package export

import (
	"fmt"
	"io"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
)

// Format is a way to write a report.
type Format string

// The formats. A Table is for terminals and may change; the others are for programs, pages and people's files.
const (
	Table    Format = "table"
	JSON     Format = "json"
	HTML     Format = "html"     // one page that needs nothing else
	CSV      Format = "csv"      // RFC 4180
	SARIF    Format = "sarif"    // 2.1.0
	JUnit    Format = "junit"    // testsuites
	Markdown Format = "markdown" // as GitHub renders it
	Objects  Format = "report"   // Reports and ClusterReports of openreports.io, as YAML
)

// Formats are all of them.
func Formats() []Format { return []Format{Table, JSON, HTML, CSV, SARIF, JUnit, Markdown, Objects} }

// Options say how a report is written. The zero value groups by policy, for no terminal.
type Options struct {
	By    By
	Width int  // of the terminal in columns, at which a Table breaks lines; 0: it does not
	Color bool // whether a Table may be coloured
}

// Write writes a report. It reads the report and keeps nothing of it. An error is the writer's, or that of a format that there is not.
func Write(out io.Writer, r *audit.Report, format Format, o Options) error {
	if o.By == "" {
		o.By = ByPolicy
	}
	if !slices.Contains(Groupings(), o.By) {
		return fmt.Errorf("a report is not grouped by %q", o.By)
	}
	write := map[Format]func(io.Writer, *audit.Report, Options) error{
		Table: writeTable, JSON: writeJSON, HTML: writeHTML, CSV: writeCSV, SARIF: writeSARIF, JUnit: writeJUnit, Markdown: writeMarkdown, Objects: writeObjects,
	}[format]
	if write == nil {
		return fmt.Errorf("a report is not written as %q", format)
	}
	return write(out, r, o)
}
