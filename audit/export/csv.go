package export

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// csvColumns are the first row. The first column says what a row is: a group with its counts, so that what nothing violates is seen, too; a result;
// a resource and whether all of it was judged.
func csvColumns() []string {
	return []string{
		"record", "group", "state", "policy", "title", "severity", "controls", "outcome", "api_version", "kind", "namespace", "name", "field", "message",
		"exception", "exception_reason", "exception_expires", "since", "file", "row", "id", "fail", "warn", "excepted", "error", "pass",
	}
}

// writeCSV writes a row for each group, result and resource.
func writeCSV(out io.Writer, r *audit.Report, o Options) error {
	w := csv.NewWriter(out)
	w.UseCRLF = true
	columns := csvColumns()
	write := func(cells map[string]string) {
		row := make([]string, len(columns))
		for i, column := range columns {
			row[i] = defused(cells[column])
		}
		_ = w.Write(row) // it is told by Error
	}
	_ = w.Write(columns)
	groups, policies := Groups(r, o.By), map[string]audit.Policy{}
	for _, p := range r.Policies {
		policies[p.ID] = p
	}
	for _, g := range groups {
		write(csvGroup(g, o.By))
	}
	for _, g := range groups {
		for _, result := range g.Results {
			cells := csvResult(result, policies[result.Policy])
			cells["group"] = g.Label(o.By)
			write(cells)
		}
	}
	for _, c := range r.Coverage {
		cells := map[string]string{"record": "coverage", "group": c.Resource, "state": "reconciled", "message": c.Reconciliation()}
		if !c.Reconciled() {
			cells["state"] = "not reconciled"
		}
		if c.Trouble != "" {
			cells["message"] += "; " + c.Trouble
		}
		write(cells)
	}
	w.Flush()
	return w.Error()
}

func csvGroup(g Group, by By) map[string]string {
	var ids, why, controls []string
	for _, p := range g.Policies {
		ids = append(ids, p.ID)
		if p.Unaudited != "" {
			why = append(why, p.ID+": "+p.Unaudited)
		}
	}
	cells := map[string]string{
		"record": "group", "group": g.Label(by), "state": string(g.State()), "policy": strings.Join(ids, " "), "title": g.Title, "message": strings.Join(why, " "),
		"fail": strconv.Itoa(g.Counts.Fail), "warn": strconv.Itoa(g.Counts.Warn), "excepted": strconv.Itoa(g.Counts.Skip), "error": strconv.Itoa(g.Counts.Fault),
	}
	if g.Counted {
		cells["pass"] = strconv.Itoa(g.Counts.Pass)
	}
	if by == ByPolicy && len(g.Policies) == 1 {
		controls = g.Policies[0].Controls
		cells["severity"] = g.Policies[0].Severity
	}
	cells["controls"] = strings.Join(controls, " ")
	return cells
}

func csvResult(r audit.Result, p audit.Policy) map[string]string {
	o := r.Object
	cells := map[string]string{
		"record": "result", "policy": r.Policy, "title": p.Title, "severity": r.Severity, "controls": strings.Join(p.Controls, " "), "outcome": outcome(r.Outcome),
		"api_version": o.APIVersion(), "kind": o.Kind, "namespace": o.Namespace, "name": o.Name, "field": r.Field, "message": r.Message,
		"since": stamp(r.Since), "file": o.File, "id": r.ID(),
	}
	if o.Row > 0 {
		cells["row"] = strconv.Itoa(o.Row)
	}
	if e := r.Exception; e != nil {
		cells["exception"], cells["exception_reason"], cells["exception_expires"] = e.Name, e.Reason, stamp(e.Expires)
	}
	return cells
}

// defused is a cell that no spreadsheet takes for a formula: what begins as one begins with an apostrophe, which they take for the mark of a text.
func defused(cell string) string {
	text := visible(cell)
	if text != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(text)[0]) {
		return "'" + text
	}
	return text
}
