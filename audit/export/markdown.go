package export

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// writeMarkdown writes headings and tables, as code hosts render them in comments and summaries.
func writeMarkdown(out io.Writer, r *audit.Report, o Options) error {
	w := newLines(out)
	title := "# Audit"
	if r.Cluster != "" {
		title += " of " + marked(r.Cluster)
	}
	total := r.Total()
	w.put(title, "\n\n", marked(moment(r.At)), ", ", plural(len(r.Policies), "policy", "policies"), " at revision ", marked(r.Revision), ".\n\n")
	w.put("| fail | warn | excepted | error | pass |\n| ---: | ---: | ---: | ---: | ---: |\n")
	w.put(fmt.Sprintf("| %d | %d | %d | %d | %d |\n", total.Fail, total.Warn, total.Skip, total.Fault, total.Pass))
	groups := Groups(r, o.By)
	w.put("\n## By ", string(o.By), "\n\n| ", string(o.By), " | state | fail | warn | excepted | error | pass |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, g := range groups {
		pass := "?"
		if g.Counted {
			pass = fmt.Sprint(g.Counts.Pass)
		}
		name := marked(g.Label(o.By))
		if g.Title != "" {
			name += ": " + marked(g.Title)
		}
		w.put(fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %s |\n", name, g.State(), g.Counts.Fail, g.Counts.Warn, g.Counts.Skip, g.Counts.Fault, pass))
	}
	w.put("\n## Results\n")
	for _, g := range groups {
		if len(g.Results) == 0 {
			continue
		}
		w.put("\n### ", marked(g.Label(o.By)), "\n\n| outcome | severity | policy | object | message |\n| --- | --- | --- | --- | --- |\n")
		for _, result := range g.Results {
			w.put("| ", strings.Join([]string{
				outcome(result.Outcome), marked(result.Severity), marked(result.Policy), marked(about(result.Object)), marked(said(result)),
			}, " | "), " |\n")
		}
	}
	if len(r.Results) == 0 {
		w.put("\nNothing was found.\n")
	}
	if lacking := unjudgedOf(r); len(lacking) > 0 {
		w.put("\n## What could not be judged\n\n")
		for _, u := range lacking {
			w.put("- ", marked(u.What), ": ", marked(u.Why), "\n")
		}
	}
	w.put("\n## Reconciliation\n\n")
	for _, c := range slices.Concat(r.Coverage, []audit.Coverage{whole(r)}) {
		w.put("- ", marked(c.Resource), ": ", marked(c.Reconciliation()), "\n")
	}
	return w.Flush()
}

// marked is text that Markdown takes for nothing but text, in a cell of a table, too.
func marked(s string) string {
	var out strings.Builder
	for _, r := range visible(s) {
		switch r {
		case '&':
			out.WriteString("&amp;")
		case '<':
			out.WriteString("&lt;")
		case '>':
			out.WriteString("&gt;")
		case '\\', '`', '*', '_', '~', '[', ']', '(', ')', '#', '|', '!', '$', '^', '=', '{', '}', '@', ':':
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
