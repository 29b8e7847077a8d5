package export

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

// maxFilters bounds the addresses at which a page shows some results only: each is a rule that the browser holds every result against.
const maxFilters = 600

// filter is an address of the page, at which it shows what has a class. It needs no script: the browser matches :target.
type filter struct {
	ID    string // of the element whose address it is: lower case letters, digits and dashes
	Class string
	Label string // what is shown there
}

// filters are those of a report, by what they are about.
type filters struct {
	all   []filter
	known map[string]filter // by kind and name
	taken map[string]bool   // IDs
	of    map[string]audit.Policy
}

func newFilters(r *audit.Report) *filters {
	f := &filters{known: map[string]filter{}, taken: map[string]bool{}, of: map[string]audit.Policy{}}
	for _, p := range policiesOf(r) {
		f.of[p.ID] = p
	}
	for _, o := range []audit.Outcome{audit.Fail, audit.Warn, audit.Skip, audit.Fault} {
		for _, result := range r.Results {
			if outcome(result.Outcome) == outcome(o) {
				f.add("outcome", outcome(o), "of outcome "+outcome(o))
				break
			}
		}
	}
	for _, by := range []By{BySeverity, ByControl, ByNamespace, ByPolicy} {
		for _, g := range Groups(r, by) {
			if len(g.Results) > 0 && (g.Name != "" || by == ByNamespace) {
				f.add(string(by), g.Name, fmt.Sprintf("of %s %s", by, visible(g.Label(by))))
			}
		}
	}
	return f
}

func (f *filters) add(kind, name, label string) {
	if len(f.all) == maxFilters {
		return
	}
	id := slug(kind + "-" + name)
	for n := 2; f.taken[id]; n++ {
		id = fmt.Sprintf("%s-%d", slug(kind+"-"+name), n)
	}
	f.taken[id] = true
	one := filter{ID: id, Class: fmt.Sprintf("k%d", len(f.all)), Label: label}
	f.all, f.known[kind+"\x00"+name] = append(f.all, one), one
}

// slug is a name as it stands in an address.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}

// css hides, at the address of a filter, the groups and results without its class.
func (f *filters) css() string {
	var out strings.Builder
	for _, one := range f.all {
		fmt.Fprintf(&out, "#%s:target~.group:not(.%[2]s),#%[1]s:target~.group .finding:not(.%[2]s){display:none}\n", one.ID, one.Class)
	}
	return out.String()
}

// link is the address of what is of a kind and name, "" where there is none.
func (f *filters) link(kind, name string) string {
	if one, ok := f.known[kind+"\x00"+name]; ok {
		return "#" + one.ID
	}
	return ""
}

func (f *filters) row(g Group, by By) row {
	return row{Group: g, Label: visible(g.Label(by)), Link: f.link(string(by), g.Name), Why: why(g)}
}

// classes are those of the filters at whose address a result is shown.
func (f *filters) classes(r audit.Result) (out []string) {
	add := func(kind, name string) {
		if one, ok := f.known[kind+"\x00"+name]; ok {
			out = append(out, one.Class)
		}
	}
	policy := f.of[r.Policy]
	add("outcome", outcome(r.Outcome))
	add(string(ByNamespace), r.Object.Namespace)
	for _, by := range []By{BySeverity, ByControl, ByPolicy} {
		for _, name := range namesOf(policy, by) {
			add(string(by), name)
		}
	}
	return out
}

func (f *filters) findings(g Group, by By) findings {
	out := findings{Group: g, Label: visible(g.Label(by))}
	if by == ByPolicy {
		out.Policy = f.of[g.Name]
	}
	seen := map[string]bool{}
	var all []string
	for _, result := range g.Results {
		classes := f.classes(result)
		out.Items = append(out.Items, finding{Result: result, Classes: strings.Join(classes, " "), Said: visible(result.Message)})
		for _, class := range classes {
			if !seen[class] {
				seen[class] = true
				all = append(all, class)
			}
		}
	}
	out.Classes = strings.Join(all, " ")
	return out
}
