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

// refused says what is missing to see something.
func refused(what, resource string) error {
	return failure{
		http.StatusForbidden, "Not for you to see",
		fmt.Sprintf("You may not see %s. Ask for the right to get %s.%s, which the chart's ClusterRole for viewers has.", what, resource, Group),
	}
}

// asked is what somebody may see, narrowed by a query.
func (p findings) asked(q query) audit.Report {
	if len(q.Filters) == 0 {
		return p.Report
	}
	of := byID(p.Policies)
	why := strings.Join(append([]string{"Only results of " + q.words() + " are in this report."}, p.Notes...), " ")
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
	page := violationsPage{Report: report, Query: q, Notes: seen.Notes, Found: len(report.Results), Filters: fields(seen.Report, q)}
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
