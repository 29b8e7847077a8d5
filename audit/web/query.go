package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
)

// query says which results a page shows: it is the query of its address, so that what is seen can be seen again and passed on.
type query struct {
	By      export.By
	Filters map[string]string // by the names of filterNames; those that are empty are absent
	Page    int               // from 1
}

// filterNames are what results are narrowed by, in the order in which they are shown.
func filterNames() []string {
	return []string{"namespace", "policy", "control", "severity", "outcome", "kind", "q"}
}

func escaped(text string) string { return url.QueryEscape(text) }

// readQuery reads the query of an address. What it does not know is an error, and not ignored: a page that shows more than was asked for misleads.
func readQuery(values url.Values) (query, error) {
	q := query{By: export.ByPolicy, Filters: map[string]string{}, Page: 1}
	for name, all := range values {
		value := all[len(all)-1]
		switch {
		case value == "":
		case name == "by" && slices.Contains(export.Groupings(), export.By(value)):
			q.By = export.By(value)
		case name == "page":
			var err error
			if q.Page, err = readPage(value); err != nil {
				return q, err
			}
		case slices.Contains(filterNames(), name):
			q.Filters[name] = value
		case name == "by":
			return q, misunderstood("by=" + value + " is none of policy, namespace, control and severity")
		default:
			return q, misunderstood("there is no filter called " + name)
		}
	}
	return q, nil
}

// readPage is the number of a page.
func readPage(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1_000_000 {
		return 1, misunderstood("page=" + value + " is not the number of a page")
	}
	return n, nil
}

func misunderstood(what string) error {
	return failure{http.StatusBadRequest, "Not understood", sentence(fmt.Errorf("%s", what))}
}

// values are those of the address.
func (q query) values() url.Values {
	out := url.Values{}
	if q.By != export.ByPolicy {
		out.Set("by", string(q.By))
	}
	for name, value := range q.Filters {
		out.Set(name, value)
	}
	if q.Page > 1 {
		out.Set("page", strconv.Itoa(q.Page))
	}
	return out
}

// at is the address of a page with this query.
func (q query) at(path string) string {
	if text := q.values().Encode(); text != "" {
		return path + "?" + text
	}
	return path
}

// with is the query with one filter set, or taken out if value is empty; from the first page.
func (q query) with(name, value string) query {
	out := query{By: q.By, Filters: map[string]string{}, Page: 1}
	maps.Copy(out.Filters, q.Filters)
	if out.Filters[name] = value; value == "" {
		delete(out.Filters, name)
	}
	return out
}

// matches reports whether a result, of a policy, is asked for.
func (q query) matches(r audit.Result, p audit.Policy) bool {
	for name, want := range q.Filters {
		var ok bool
		switch name {
		case "namespace":
			ok = labelled(r.Object.Namespace, export.ByNamespace) == want
		case "policy":
			ok = r.Policy == want
		case "control":
			ok = slices.Contains(p.Controls, want) || len(p.Controls) == 0 && labelled("", export.ByControl) == want
		case "severity":
			ok = labelled(p.Severity, export.BySeverity) == want
		case "outcome":
			ok = spelt(r.Outcome) == want
		case "kind":
			ok = strings.EqualFold(r.Object.Kind, want)
		case "q":
			text := strings.ToLower(strings.Join([]string{r.Object.String(), r.Policy, r.Message, r.Field}, "\n"))
			ok = strings.Contains(text, strings.ToLower(want))
		}
		if !ok {
			return false
		}
	}
	return true
}

// labelled is a name as pages show it, and addresses carry it.
func labelled(name string, by export.By) string { return export.Group{Name: name}.Label(by) }

// spelt is the word for an outcome.
func spelt(o audit.Outcome) string {
	switch o {
	case audit.Skip:
		return "excepted"
	case audit.Fail, audit.Warn:
		return string(o)
	default:
		return "error"
	}
}

// words say what is narrowed, in the order of filterNames: "namespace prod and severity high".
func (q query) words() string {
	var out []string
	for _, name := range filterNames() {
		switch value := q.Filters[name]; {
		case value == "":
		case name == "q":
			out = append(out, fmt.Sprintf("%q in their text", value))
		default:
			out = append(out, name+" "+value)
		}
	}
	return strings.Join(out, " and ")
}
