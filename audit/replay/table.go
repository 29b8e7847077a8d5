package replay

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable prints what would change, for people: nothing where nothing would. The sums are not among it.
func (r *Report) WriteTable(out io.Writer) error {
	var text strings.Builder
	var kind Kind
	for _, g := range r.Groups {
		if g.Kind != kind {
			if kind != "" {
				text.WriteByte('\n')
			}
			kind = g.Kind
			fmt.Fprintf(&text, "%s would be %s\n", number(r.Changed[kind], "request"), kind.would())
		}
		fmt.Fprintf(&text, "\n  %s: %s\n", g.policy(), g.requests())
		fmt.Fprintf(&text, "    users       %s\n", names(g.Users, g.MoreUsers, "(nobody)"))
		fmt.Fprintf(&text, "    namespaces  %s\n", names(g.Namespaces, g.MoreNamespaces, "(none)"))
		for _, e := range g.Examples {
			fmt.Fprintf(&text, "    %s  %s: %s by %s, %s\n", e.when(), e.Stage, e.Request, e.User, e.Place)
			if e.Says != "" {
				fmt.Fprintf(&text, "      %s\n", e.Says)
			}
			if g.Kind == Patched {
				fmt.Fprintf(&text, "      then  %s\n      now   %s\n", e.Before, e.After)
			}
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// WriteMarkdown prints all of the report, to be read in a merge request. Names and messages are escaped.
func (r *Report) WriteMarkdown(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "# What would change\n\n%s.\n", r.Sums())
	if len(r.Groups) > 0 {
		text.WriteString("\n| change | policy | requests | users | namespaces |\n|---|---|---|---|---|\n")
	}
	for _, g := range r.Groups {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", g.Kind, escaped(g.policy()), g.requests(),
			escaped(names(g.Users, g.MoreUsers, "(nobody)")), escaped(names(g.Namespaces, g.MoreNamespaces, "(none)")))
	}
	for _, g := range r.Groups {
		fmt.Fprintf(&text, "\n## %s by %s\n\n", g.Kind, escaped(g.policy()))
		for _, e := range g.Examples {
			fmt.Fprintf(&text, "- %s, %s: %s by %s (%s)", e.when(), e.Stage, escaped(e.Request), escaped(e.User), escaped(e.String()))
			if e.Says != "" {
				fmt.Fprintf(&text, ": %s", escaped(e.Says))
			}
			if g.Kind == Patched {
				fmt.Fprintf(&text, ": then %s, now %s", escaped(string(e.Before)), escaped(string(e.After)))
			}
			text.WriteByte('\n')
		}
	}
	if remarks := r.Remarks(); len(remarks) > 0 {
		text.WriteString("\n## To know\n\n")
		for _, remark := range remarks {
			fmt.Fprintf(&text, "- %s\n", escaped(remark))
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// escaped has nothing in it that Markdown, or the HTML in it, takes for its own. What is in a log is without line breaks already; patches are
// not.
func escaped(text string) string {
	var out strings.Builder
	for _, c := range bounded(text) {
		switch {
		case strings.ContainsRune("\\`*_[]|~@", c):
			out.WriteByte('\\')
			out.WriteRune(c)
		case c == '<':
			out.WriteString("&lt;")
		case c == '>':
			out.WriteString("&gt;")
		case c == '&':
			out.WriteString("&amp;")
		default:
			out.WriteRune(c)
		}
	}
	return out.String()
}
