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
	Rows    []groupRow
	Found   int // results asked for
	Shown   []audit.Result
	First   int // the number of the first shown, from 1
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

// seen is the part of the report that somebody may see, and what is to be said about the part.
func (s *Server) seen(r *http.Request, v *visit) (report audit.Report, notes []string, err error) {
	if s.options.Found == nil {
		return report, nil, failure{
			http.StatusNotFound, "Nothing is audited",
			"This server does not audit what is in the cluster; start it with --audit, or set audit.enabled in the chart's values.",
		}
	}
	all, ok := s.found()
	if !ok {
		return report, nil, failure{
			http.StatusServiceUnavailable, "Not everything was looked at yet",
			"The audit has not looked at everything once; try again in a moment.",
		}
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
		return report, nil, s.unknown("what you may see", err)
	case within.all:
		return all, nil, nil
	case within.none() && !slices.ContainsFunc(namespaces, func(n string) bool { return n != "" }):
		// Whether they may see what will be found in some namespace is not known, and nothing is there to be hidden.
	case within.none():
		return report, nil, refused("what was found in the cluster, nor in one of its namespaces", Findings)
	}
	note := "You see what was found in namespaces in which you may get findings.portcullis.dev; what passed is counted for those who may in the whole cluster."
	notes = append(notes, note)
	if within.unasked > 0 {
		notes = append(notes, fmt.Sprintf("You may see results of further namespaces: %d were not asked about, because there are more than %d.", within.unasked, maxNamespaces))
	}
	report = all.Only(func(result audit.Result) bool { return within.has(result.Object.Namespace) }, note)
	return report, notes, nil
}

// refused says what is missing to see something.
func refused(what, resource string) error {
	return failure{
		http.StatusForbidden, "Not for you to see",
		fmt.Sprintf("You may not see %s. Ask for the right to get %s.%s, which the chart's ClusterRole for viewers has.", what, resource, Group),
	}
}

// asked is what a page is about: what somebody may see, narrowed by the query of the address.
func (s *Server) asked(r *http.Request, v *visit) (report audit.Report, q query, notes []string, err error) {
	if q, err = readQuery(r.URL.Query()); err != nil {
		return report, q, nil, err
	}
	if report, notes, err = s.seen(r, v); err != nil || len(q.Filters) == 0 {
		return report, q, notes, err
	}
	of := byID(report.Policies)
	why := "Only results of " + q.words() + " are in this report."
	if len(notes) > 0 {
		why = strings.Join(append([]string{why}, notes...), " ")
	}
	return report.Only(func(result audit.Result) bool { return q.matches(result, of[result.Policy]) }, why), q, notes, nil
}

func byID(policies []audit.Policy) map[string]audit.Policy {
	out := map[string]audit.Policy{}
	for _, p := range policies {
		out[p.ID] = p
	}
	return out
}

func (s *Server) violations(w http.ResponseWriter, r *http.Request, v *visit) error {
	whole, notes, err := s.seen(r, v)
	if err != nil {
		return err
	}
	report, q, _, err := s.asked(r, v)
	if err != nil {
		return err
	}
	page := violationsPage{Report: report, Query: q, Notes: notes, Found: len(report.Results), Filters: fields(whole, q)}
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
	page.Shown, page.First = report.Results[start:end], start+1
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
		label := strings.ToUpper(name[:1]) + name[1:]
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
	report, q, _, err := s.asked(r, v)
	if err != nil {
		return err
	}
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
	report, _, err := s.seen(r, v)
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
