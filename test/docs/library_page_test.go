package docs

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/native"
)

// made is the first line of every page of the library.
const made = "<!-- Made of the METADATA and the fixtures in policies/library: UPDATE=1 go test ./test/docs -run TestLibraryPages -->\n"

// entry is a policy of the library as its page tells of it.
type entry struct {
	native.Description
	policy      string // a Policy that puts it in force
	allow, deny string // its fixtures
	// reviewed is what review prints of the fixture that it has something to say about: deny, or allow if it says yes.
	reviewed string
}

// positive reports whether what it says is a yes: who the token is of, or that access is granted.
func (e entry) positive() bool { return !e.Refuses() && !e.changes() }

func (e entry) changes() bool { return slices.Contains(e.Stages, "mutate") }

// rule is where its Rego and fixtures are.
func (e entry) rule() string { return "../../policies/library/" + strings.ReplaceAll(e.Name, ".", "/") }

func (e entry) link() string {
	return fmt.Sprintf("[%s](%s.md#%s)", code(e.Name), e.Topic(), anchor(e.Name))
}

func (e entry) askedAt() string {
	var names []string
	for _, stage := range e.Stages {
		names = append(names, string(stage))
	}
	return strings.Join(names, ", ")
}

// topicPage is the page of the policies of one topic.
func topicPage(topic string, of []entry) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n# %s\n\nPolicies of the [library](README.md), where it says how they are put in force.\n\n", made, text(topic))
	table(&out, []string{"policy", "what it is", "severity", "asked at"}, of, func(e entry) []string {
		return []string{e.link(), text(e.Title), e.Severity, e.askedAt()}
	})
	for _, e := range of {
		out.WriteString("\n" + e.section())
	}
	return out.String()
}

// helpersPage is the page of what policies may import.
func helpersPage(all []native.Helper) string {
	var out strings.Builder
	out.WriteString(made + `
# Helper packages

What policies of your own may import, as ` + "`import data.portcullis.kubernetes`" + `; the policies of the [library](README.md) are written with them.
` + "`portcullis policies show portcullis.kubernetes`" + ` tells the same, and with ` + "`-o rego`" + ` the source. [Writing policies](../policies.md#containers) has a loop over
containers to copy, and says [what is safe](../policies.md#undefined-is-not-false) where something has no value.

`)
	for _, h := range all {
		fmt.Fprintf(&out, "- [%s](#%s): %s\n", code(h.Name), anchor(h.Name), text(h.Title))
	}
	for _, h := range all {
		_, file, _ := strings.Cut(h.Name, ".")
		fmt.Fprintf(&out, "\n## %s\n\n%s. %s Its source is [%s.rego](../../policies/library/%[4]s.rego).\n\n", code(h.Name), strong(h.Title), text(h.Description), file)
		table(&out, []string{"call", "what it gives"}, h.Rules, func(r native.HelperRule) []string { return []string{code(r.Call), text(r.Description)} })
	}
	return out.String()
}

// section is the part of a page about one policy.
func (e entry) section() string {
	var out strings.Builder
	fmt.Fprintf(&out, "## %s\n\n%s. %s\n\n", code(e.Name), strong(e.Title), text(e.Description.Description))
	facts := [][]string{
		{"severity", e.Severity},
		{"controls", joined(e.Controls, controlLink)},
		{"bundles", joined(e.Bundles, func(name string) string { return fmt.Sprintf("[%s](README.md#%s)", code(name), anchor(name)) })},
		{"asked at", e.askedAt()},
		{"matches", text(e.Matches())},
		{"reads of the cluster", joined(e.Data, code)},
		{"source", fmt.Sprintf("[rule.rego](%s/rule.rego), [its tests](%[1]s/rule_test.rego)", e.rule())},
		{"see also", joined(e.Related, func(r native.Reference) string { return fmt.Sprintf("[%s](%s)", text(r.Description), address(r.URL)) })},
	}
	facts = slices.DeleteFunc(facts, func(fact []string) bool { return fact[1] == "" })
	table(&out, []string{"", ""}, facts, func(fact []string) []string { return fact })
	if takes := e.Takes(); len(takes) > 0 {
		out.WriteString("\n")
		table(&out, []string{"parameter", "what it must be", "default", "what it is"}, takes, func(p native.Parameter) []string {
			must, otherwise := []string{text(p.Type)}, ""
			for _, limit := range p.Limits {
				must = append(must, code(limit))
			}
			switch {
			case p.Default != nil:
				otherwise = code(string(p.Default))
			case p.Required:
				otherwise = "required"
			}
			return []string{code(p.Name), strings.Join(must, ", "), otherwise, text(p.Description)}
		})
	}
	by := "A Policy that puts it in force:"
	if e.Example() != nil {
		by = "A Policy that puts it in force; its parameters are an example:"
	}
	out.WriteString("\n" + by + "\n\n" + quoted("yaml", e.policy))
	said, fixture := "What it refuses, and in which words, as `portcullis review -f deny.yaml` prints it with this Policy:", "deny.yaml"
	switch {
	case e.positive():
		said, fixture = "What it allows, as `portcullis review -f allow.yaml` prints it with this Policy:", "allow.yaml"
	case e.changes() && e.Refuses():
		said = "What it changes and refuses, as `portcullis review -f deny.yaml` prints it with this Policy:"
	case e.changes():
		said = "What it changes, as `portcullis review -f deny.yaml` prints it with this Policy:"
	}
	out.WriteString("\n" + said + "\n\n" + quoted("text", e.reviewed))
	first, then := "deny.yaml, the documents that it refuses", "allow.yaml, documents that pass"
	switch {
	case e.positive():
		first, then = "allow.yaml, the documents that it allows", "deny.yaml, documents that it has no yes for"
	case e.changes() && e.Refuses():
		first, then = "deny.yaml, the documents that it changes or refuses", "allow.yaml, documents that stay as they are"
	case e.changes():
		first, then = "deny.yaml, the documents that it changes", "allow.yaml, documents that stay as they are"
	}
	one, other := e.deny, e.allow
	if fixture == "allow.yaml" {
		one, other = other, one
	}
	details(&out, first, one)
	details(&out, then, other)
	return out.String()
}

func details(out *strings.Builder, summary, fixture string) {
	fmt.Fprintf(out, "\n<details><summary>%s</summary>\n\n%s\n</details>\n", summary, quoted("yaml", fixture))
}

// indexPage is where a reader looks for a policy.
func indexPage(all []entry, bundles []native.LibraryBundle) string {
	var out strings.Builder
	out.WriteString(made + `
# The library

The policies that Portcullis brings along. Each is put in force by a Policy that names it, as its page has one to copy, or by
` + "`--policies library:NAME`" + ` where it needs no parameters; a bundle puts several in force by one name. [Writing policies](../policies.md#the-library)
says more. ` + "`portcullis policies list`" + ` and ` + "`portcullis policies show NAME`" + ` tell the same.

A Policy is an object of the cluster, ` + "`kubectl apply -f policy.yaml`" + `, where Portcullis runs with ` + "`--cluster-policies`" + `, as the chart has it; or a document in a
file of a directory that is given with ` + "`--policies DIR`" + `, of a server as of ` + "`portcullis review`" + `. Both read the same text. Policies of your own may import
the [helper packages](helpers.md).

- [Bundles](#bundles)
- [By topic](#by-topic)
- [By control](#by-control)

## Bundles

`)
	for _, l := range bundles {
		fmt.Fprintf(&out, "### %s\n\n%s. %s\n\n", code(l.Name), strong(l.Title), text(l.Description))
		in := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return !slices.Contains(l.Policies, e.Name) })
		table(&out, []string{"policy", "what it is", "severity"}, in, func(e entry) []string {
			return []string{e.link(), text(e.Title), e.Severity}
		})
		out.WriteString("\n")
	}
	out.WriteString("## By topic\n")
	for _, topic := range topics(all) {
		fmt.Fprintf(&out, "\n### [%s](%s.md)\n\n", text(topic), topic)
		table(&out, []string{"policy", "what it is", "severity", "asked at"}, inTopic(all, topic), func(e entry) []string {
			return []string{e.link(), text(e.Title), e.Severity, e.askedAt()}
		})
	}
	out.WriteString("\n## By control\n\nWhat a policy is evidence for. A control may ask for more than any policy can see.\n")
	named := map[string]string{
		"cis-1.9": "The numbers are those of the benchmark.",
		"nsa":     "The guide has no numbers: what stands behind `nsa/` is a name of ours for one of its recommendations.",
		"pss":     "`pss/restricted` has those of baseline that it includes; four others take the places of baseline's.",
	}
	for _, standard := range standards(all) {
		name := standardNames()[standard]
		if name == "" {
			name = standard
		}
		fmt.Fprintf(&out, "\n### %s\n\n", text(name))
		if said := named[standard]; said != "" {
			out.WriteString(said + "\n\n")
		}
		table(&out, []string{"control", "policies"}, controls(all, standard), func(control string) []string {
			var links []string
			for _, e := range all {
				if slices.Contains(e.Controls, control) {
					links = append(links, e.link())
				}
			}
			return []string{code(control), strings.Join(links, ", ")}
		})
	}
	return out.String()
}

// standardNames are the names of the standards that controls are of.
func standardNames() map[string]string {
	return map[string]string{
		"pss":     "Pod Security Standards",
		"cis-1.9": "CIS Kubernetes Benchmark 1.9",
		"nsa":     "NSA and CISA Kubernetes Hardening Guide",
	}
}

func controlLink(control string) string {
	standard, _, _ := strings.Cut(control, "/")
	name := standardNames()[standard]
	if name == "" {
		name = standard
	}
	return fmt.Sprintf("[%s](README.md#%s)", code(control), anchor(name))
}

func topics(all []entry) (out []string) {
	for _, e := range all {
		out = append(out, e.Topic())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func inTopic(all []entry, topic string) []entry {
	return slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.Topic() != topic })
}

func standards(all []entry) (out []string) {
	for _, e := range all {
		for _, control := range e.Controls {
			standard, _, _ := strings.Cut(control, "/")
			out = append(out, standard)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// controls are those of a standard, 5.2.2 before 5.2.10.
func controls(all []entry, standard string) (out []string) {
	for _, e := range all {
		for _, control := range e.Controls {
			if path.Dir(control) == standard {
				out = append(out, control)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		one, other := strings.Split(path.Base(a), "."), strings.Split(path.Base(b), ".")
		return cmp.Or(slices.CompareFunc(one, other, func(a, b string) int {
			n, _ := strconv.Atoi(a)
			m, _ := strconv.Atoi(b)
			return cmp.Compare(n, m)
		}), cmp.Compare(a, b))
	})
	return slices.Compact(out)
}

// table writes a row for each of the things.
func table[T any](out *strings.Builder, head []string, of []T, row func(T) []string) {
	line := func(cells []string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, one := range of {
		line(row(one))
	}
}

func joined[T any](of []T, how func(T) string) string {
	var out []string
	for _, one := range of {
		out = append(out, how(one))
	}
	return strings.Join(out, ", ")
}

// strong is text that stands out.
func strong(words string) string { return "**" + text(words) + "**" }

var special = regexp.MustCompile("[\\\\`*_\\[\\]<>|~$&]")

// text is plain text as Markdown: what means something there is escaped, but for underscores within a word, which do not.
func text(plain string) string {
	plain = strings.Join(strings.Fields(plain), " ")
	var out strings.Builder
	last := 0
	for _, at := range special.FindAllStringIndex(plain, -1) {
		out.WriteString(plain[last:at[0]])
		if plain[at[0]] != '_' || !within(plain, at[0]) {
			out.WriteString(`\`)
		}
		last = at[0]
	}
	out.WriteString(plain[last:])
	return out.String()
}

// within reports whether a letter or digit stands on both sides.
func within(text string, at int) bool {
	word := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= 'A' && text[i] <= 'Z' || text[i] >= '0' && text[i] <= '9')
	}
	return word(at-1) && word(at+1)
}

// code is text as it is, in a line or a cell of a table.
func code(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

// quoted is a text of several lines as it is.
func quoted(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}

// address is a URL within a link.
func address(url string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "|", "%7C").Replace(url)
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchor is where a heading is found, as GitHub makes it.
func anchor(heading string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
