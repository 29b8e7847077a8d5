package export

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/audit"
)

// least is the narrowest terminal for which lines are broken; a narrower one breaks them itself.
const least = 40

// writeTable writes sums by policy and namespace, or by what is asked for, then the results, then what is not known.
func writeTable(out io.Writer, r *audit.Report, o Options) error {
	if o.Width < least {
		o.Width = 0
	}
	t := table{lines: newLines(out), Options: o}
	summaries := []By{o.By}
	if o.By == ByPolicy {
		summaries = []By{ByPolicy, ByNamespace}
	}
	for _, by := range summaries {
		t.summary(Groups(r, by), by)
	}
	for _, g := range Groups(r, o.By) {
		t.results(g)
	}
	t.unjudged(r)
	t.coverage(r)
	return t.Flush()
}

type table struct {
	lines
	Options
}

// summary is a row for each group. Policies that find nothing are as good as one row.
func (t table) summary(groups []Group, by By) {
	rows := [][]string{{strings.ToUpper(string(by)), "FAIL", "WARN", "EXCEPTED", "ERROR", "PASS", "STATE", "TITLE"}}
	quiet, passes, unjudged := 0, 0, 0
	for _, g := range groups {
		state := g.State()
		switch {
		case by == ByPolicy && state == Met:
			quiet, passes = quiet+1, passes+g.Counts.Pass
			continue
		case by == ByPolicy && state == Unjudged:
			if len(g.Unaudited()) == 0 { // the others are named below
				unjudged++
			}
			continue
		}
		pass := "?"
		if g.Counted {
			pass = fmt.Sprint(g.Counts.Pass)
		}
		c := g.Counts
		rows = append(rows, []string{
			visible(g.Label(by)), fmt.Sprint(c.Fail), fmt.Sprint(c.Warn), fmt.Sprint(c.Skip), fmt.Sprint(c.Fault), pass, string(state), visible(g.Title),
		})
	}
	if len(rows) > 1 {
		t.columns(rows)
	}
	if quiet > 0 {
		t.line("", fmt.Sprintf("%s nothing: %s.", plural(quiet, "policy finds", "policies find"), plural(passes, "pass", "passes")))
	}
	if unjudged > 0 {
		t.line("", plural(unjudged, "policy has", "policies have")+" no object here to judge.")
	}
	if len(rows) > 1 || quiet+unjudged > 0 {
		t.put("\n")
	}
}

// columns aligns rows: numbers to the right. The last column is cut at the width of the terminal, and left out where nothing is in it.
func (t table) columns(rows [][]string) {
	widths := make([]int, len(rows[0]))
	last := 0
	for i, row := range rows {
		for j, cell := range row {
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
			if i > 0 && cell != "" {
				last = max(last, j)
			}
		}
	}
	for i, row := range rows {
		line := ""
		for j, cell := range row[:last+1] {
			gap := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			switch {
			case j > 0 && j < 6:
				line += "  " + gap + cell
			case j > 0:
				line += "  " + cell + gap
			default:
				line += cell + gap
			}
		}
		line = cut(strings.TrimRight(line, " "), t.Width)
		if i == 0 {
			line = t.paint("1", line)
		}
		t.put(line, "\n")
	}
}

// cut is a line that is not wider than a terminal.
func cut(line string, width int) string {
	if runes := []rune(line); width > 0 && len(runes) > width {
		return strings.TrimRight(string(runes[:width-1]), " ") + "…"
	}
	return line
}

func (t table) results(g Group) {
	if len(g.Results) == 0 {
		return
	}
	title := visible(g.Label(t.By))
	if g.Title != "" {
		title += ": " + visible(g.Title)
	}
	t.put(t.paint("1", cut(title, t.Width)), "\n")
	for _, r := range g.Results {
		t.put("  ", t.outcome(r.Outcome), "  ", visible(about(r.Object)))
		if t.By != ByPolicy {
			t.put("  ", visible(r.Policy))
		}
		t.put("\n")
		t.line("            ", said(r))
	}
	t.put("\n")
}

func (t table) outcome(o audit.Outcome) string {
	word := outcome(o)
	color := map[string]string{"fail": "31", "warn": "33", "error": "35", "excepted": "36"}[word]
	return t.paint(color, word) + strings.Repeat(" ", max(0, len("excepted")-len(word)))
}

func (t table) unjudged(r *audit.Report) {
	all := unjudgedOf(r)
	if len(all) == 0 {
		return
	}
	t.put(t.paint("1", "What could not be judged"), "\n")
	for _, u := range all {
		t.line("  ", u.What+": "+u.Why)
	}
	t.put("\n")
}

func (t table) coverage(r *audit.Report) {
	t.line("", whole(r).Reconciliation())
}

// line writes a text, broken at the width of the terminal; what follows is indented as it is.
func (t table) line(indent, text string) {
	rest := strings.Fields(visible(text))
	for len(rest) > 0 {
		line := indent + rest[0]
		rest = rest[1:]
		for len(rest) > 0 && (t.Width == 0 || utf8.RuneCountInString(line)+1+utf8.RuneCountInString(rest[0]) <= t.Width) {
			line, rest = line+" "+rest[0], rest[1:]
		}
		t.put(line, "\n")
	}
}

func (t table) paint(color, text string) string {
	if !t.Color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
