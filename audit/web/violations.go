package web

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
)

// formats are those of downloads, by the extension of their file.
func formats() map[string]export.Format {
	return map[string]export.Format{"html": export.HTML, "csv": export.CSV, "json": export.JSON, "sarif": export.SARIF, "md": export.Markdown}
}

// violationsPage is what it shows.
type violationsPage struct {
	audit.Report
	Query   query
	Notes   []string
	Filters []filterField
	Tabs    []link
	Column  string // what the rows are
	Rows    []groupRow
	Found   int // results asked for
	Shown   []audit.Result
	First   int // the number of the first shown, from 1
	Last    int
	Before  string
	After   string
	Exports []link
	Clear   string // the address without filters; empty if there are none
}

type link struct {
	Label, Href string
	Current     bool
}

type groupRow struct {
	export.Group
	Label, Href string
}

// filterField is a filter of the form, with what it may be.
type filterField struct {
	Name, Label, Value string
	Choices            []string
	Closed             bool // nothing but Choices
}

// maxChoices bounds what a filter suggests.
const maxChoices = 500

// part is what somebody may see of what was found, and what is to be said about it.
type part struct {
	audit.Report
	notes []string
	whole bool // all that this server knows
}

// seen is the part of the report that somebody may see.
func (s *Server) seen(r *http.Request, v *visit) (part, error) {
	if s.options.Found == nil {
		return part{}, failure{
			http.StatusNotFound, "Nothing is audited",
			"This server does not audit what is in the cluster; start it with --audit, or set audit.enabled in the chart's values.",
		}
	}
	all, ok := s.found()
	if !ok {
		return part{}, failure{
			http.StatusServiceUnavailable, "Not everything was looked at yet",
			"The audit has not looked at everything once; try again in a moment.",
		}
	}
	out := part{Report: all}
	if others := s.options.Others(); len(others) > 0 {
		note := "Here is what this replica judges; what " + strings.Join(others, ", ") + " judge" + map[bool]string{true: "s"}[len(others) == 1] + " is on their own pages, and in the reports of the cluster."
		out.notes = []string{note}
		out.Coverage = append(slices.Clip(out.Coverage), audit.Coverage{Resource: "*", Trouble: note})
	}
	var namespaces []string
	for _, result := range all.Results {
		if n := len(namespaces); n == 0 || namespaces[n-1] != result.Object.Namespace { // they are in this order
			namespaces = append(namespaces, result.Object.Namespace)
		}
	}
	within, err := s.rights.scope(r.Context(), v.who, Findings, namespaces)
	switch {
	case err != nil:
		return part{}, s.unknown("what you may see", err)
	case within.all:
		out.whole = true
		return out, nil
	case within.none():
		return part{}, refused("what was found in the cluster, nor in one of its namespaces in which something was", Findings)
	}
	note := "You see what was found in namespaces in which you may get findings.portcullis.dev; what passed is counted for those who may in the whole cluster."
	out.notes = append(out.notes, note)
	if within.unasked > 0 {
		out.notes = append(out.notes, fmt.Sprintf("You may see results of further namespaces: %d were not asked about, because there are more than %d.", within.unasked, maxNamespaces))
	}
	out.Report = all.Only(func(result audit.Result) bool { return within.has(result.Object.Namespace) }, strings.Join(out.notes, " "))
	return out, nil
}

// refused says what is missing to see something.
func refused(what, resource string) error {
	return failure{
		http.StatusForbidden, "Not for you to see",
		fmt.Sprintf("You may not see %s. Ask for the right to get %s.%s, which the chart's ClusterRole for viewers has.", what, resource, Group),
	}
}

// asked is what somebody may see, narrowed by a query.
func (p part) asked(q query) audit.Report {
	if len(q.Filters) == 0 {
		return p.Report
	}
	of := byID(p.Policies)
	why := strings.Join(append([]string{"Only results of " + q.words() + " are in this report."}, p.notes...), " ")
	return p.Only(func(result audit.Result) bool { return q.matches(result, of[result.Policy]) }, why)
}

func byID(policies []audit.Policy) map[string]audit.Policy {
	out := map[string]audit.Policy{}
	for _, p := range policies {
		out[p.ID] = p
	}
	return out
}

func (s *Server) violations(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		return err
	}
	seen, err := s.seen(r, v)
	if err != nil {
		return err
	}
	report := seen.asked(q)
	page := violationsPage{Report: report, Query: q, Notes: seen.notes, Found: len(report.Results), Filters: fields(seen.Report, q)}
	page.Column = capital(string(q.By))
	if len(q.Filters) > 0 {
		page.Clear = query{By: q.By, Page: 1}.at("/ui/violations")
	}
	for _, by := range export.Groupings() {
		tab := query{By: by, Filters: q.Filters, Page: 1}
		page.Tabs = append(page.Tabs, link{Label: "By " + string(by), Href: tab.at("/ui/violations"), Current: by == q.By})
	}
	for _, g := range export.Groups(&report, q.By) {
		row := groupRow{Group: g, Label: g.Label(q.By)}
		if len(g.Results) > 0 {
			row.Href = q.with(string(q.By), row.Label).at("/ui/violations")
		}
		page.Rows = append(page.Rows, row)
	}
	start := min((q.Page-1)*perPage, page.Found)
	end := min(start+perPage, page.Found)
	page.Shown, page.First, page.Last = report.Results[start:end], start+1, end
	if q.Page > 1 {
		page.Before = query{q.By, q.Filters, q.Page - 1}.at("/ui/violations")
	}
	if end < page.Found {
		page.After = query{q.By, q.Filters, q.Page + 1}.at("/ui/violations")
	}
	for _, extension := range []string{"csv", "html", "json", "sarif", "md"} {
		all := query{q.By, q.Filters, 1}
		page.Exports = append(page.Exports, link{Label: strings.ToUpper(extension), Href: all.at("/ui/violations." + extension)})
	}
	return s.show(w, http.StatusOK, "violations", s.view(v, "Violations", "/ui/violations", page))
}

// view is a page in the navigation.
func (s *Server) view(v *visit, title, here string, body any) view {
	return view{Title: title, User: v.who.user.Username, Here: here, Body: body}
}

// fields are the filters of the form.
func fields(r audit.Report, q query) (out []filterField) {
	choices := map[string][]string{"outcome": {"fail", "warn", "excepted", "error"}}
	for name, by := range map[string]export.By{"namespace": export.ByNamespace, "policy": export.ByPolicy, "control": export.ByControl, "severity": export.BySeverity} {
		for _, g := range export.Groups(&r, by) {
			if len(g.Results) > 0 && len(choices[name]) < maxChoices {
				choices[name] = append(choices[name], g.Label(by))
			}
		}
	}
	kinds := map[string]bool{}
	for _, result := range r.Results {
		if kind := result.Object.Kind; !kinds[kind] {
			kinds[kind] = true
			choices["kind"] = append(choices["kind"], kind)
		}
	}
	slices.Sort(choices["kind"])
	for _, name := range filterNames() {
		label := capital(name)
		if name == "q" {
			label = "Text"
		}
		out = append(out, filterField{
			Name: name, Label: label, Value: q.Filters[name], Choices: choices[name], Closed: name == "severity" || name == "outcome",
		})
	}
	return out
}

// download is what the page shows, and the pages after it, as a file.
func (s *Server) download(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := readQuery(r.URL.Query())
	if err != nil {
		return err
	}
	seen, err := s.seen(r, v)
	if err != nil {
		return err
	}
	report := seen.asked(q)
	extension := strings.TrimPrefix(path.Ext(r.URL.Path), ".")
	format := formats()[extension]
	var out bytes.Buffer
	if err := export.Write(&out, &report, format, export.Options{By: q.By}); err != nil {
		return err
	}
	types := map[string]string{
		"html": "text/html; charset=utf-8", "csv": "text/csv; charset=utf-8; header=present", "json": "application/json", "sarif": "application/sarif+json",
		"md": "text/markdown; charset=utf-8",
	}
	w.Header().Set("Content-Type", types[extension])
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="portcullis-%s.%s"`, report.At.UTC().Format("20060102-1504"), extension))
	_, err = w.Write(out.Bytes())
	return ignored(err)
}

// violationPage is what it shows.
type violationPage struct {
	audit.Result
	Policy audit.Policy
	Others string // the address of all results of its object
}

func (s *Server) violation(w http.ResponseWriter, r *http.Request, v *visit) error {
	report, err := s.seen(r, v)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	at := slices.IndexFunc(report.Results, func(result audit.Result) bool { return result.ID() == id })
	if at < 0 {
		return failure{
			http.StatusNotFound, "Not found any more",
			"Nothing of this name was found, or nothing that you may see: what it was about may have been mended, or be gone.",
		}
	}
	result := report.Results[at]
	page := violationPage{Result: result, Policy: byID(report.Policies)[result.Policy]}
	page.Policy.ID = result.Policy
	q := query{By: export.ByPolicy, Filters: map[string]string{"namespace": labelled(result.Object.Namespace, export.ByNamespace), "q": result.Object.String()}}
	page.Others = q.at("/ui/violations")
	return s.show(w, http.StatusOK, "violation", s.view(v, result.Object.String(), "/ui/violations", page))
}
