package export

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/audit"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
)

// maxShown bounds the results on a page: each is half a kilobyte, and a browser shows 20,000 of them without a wait. The page says how many there are.
const maxShown = 20_000

// page is what page.html shows.
type page struct {
	*audit.Report
	CSP        string // what the page may do: show itself
	Style      template.CSS
	Filters    template.CSS // which results are shown at which address
	Total      audit.Counts
	Bar        []segment
	Sum        audit.Coverage
	By         By
	Standards  []standard
	ByPolicy   []row
	Namespaces []row
	Filtered   []filter
	Groups     []findings
	Shown, All int // results in Groups, each in as many as it belongs to
	Exceptions []audit.Result
	Lacking    []unjudged
}

// segment is a part of the bar of outcomes, in tenths of a percent.
type segment struct {
	Class   string
	X, Wide string
}

// standard are the controls of one, as "cis-1.9".
type standard struct {
	Title string
	Rows  []row
}

// row is a group in a table.
type row struct {
	Group
	Label string
	Link  string // to its results; empty where there are none
	Why   string // it is not known what it comes to
}

// findings are the results of a group.
type findings struct {
	Group
	Label   string
	Policy  audit.Policy // if it is one
	Classes string
	Items   []finding
}

type finding struct {
	audit.Result
	Classes string
	Said    string
}

// Style is the style sheet of the page, for pages that look like it.
func Style() string { return pageCSS }

// Functions are what templates of pages about reports say things with: visible spells out what cannot be seen of a text, moment and day are times in
// UTC, place is where in a file an object stands, outcome the word for one, class that of a State's badge, number and plural are numbers for people, words
// names policies, local is a control without its standard, and bar the outcomes side by side.
func Functions() template.FuncMap {
	return template.FuncMap{
		"visible": visible, "moment": moment, "day": day, "place": place, "outcome": outcome, "number": number, "plural": plural, "words": words, "bar": bar,
		"local": func(control string) string { return control[strings.Index(control, "/")+1:] },
		"class": func(s State) string { return strings.ReplaceAll(string(s), " ", "-") },
	}
}

func writeHTML(out io.Writer, r *audit.Report, o Options) error {
	functions := Functions()
	functions["expired"] = func(result audit.Result) bool {
		return result.Exception != nil && !result.Exception.Expires.IsZero() && result.Exception.Expires.Before(r.At)
	}
	t, err := template.New("page").Funcs(functions).Parse(pageHTML)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	if err := t.Execute(w, newPage(r, o)); err != nil {
		return err
	}
	return w.Flush()
}

func newPage(r *audit.Report, o Options) page {
	f := newFilters(r)
	p := page{
		Report: r, Style: template.CSS(pageCSS), Filters: template.CSS(f.css()), //nolint:gosec // the one is ours, the other made of letters and digits
		Total: r.Total(), Sum: whole(r), By: o.By, Filtered: f.all, Lacking: unjudgedOf(r),
	}
	p.CSP = "default-src 'none'; style-src " + hashed(string(p.Style)) + " " + hashed(string(p.Filters)) + "; base-uri 'none'; form-action 'none'"
	p.Bar = bar(p.Total)
	for _, g := range Groups(r, ByControl) {
		if g.Name == "" {
			continue
		}
		title := standardOf(g.Name)
		if n := len(p.Standards); n == 0 || p.Standards[n-1].Title != title {
			p.Standards = append(p.Standards, standard{Title: title})
		}
		last := &p.Standards[len(p.Standards)-1]
		last.Rows = append(last.Rows, f.row(g, ByControl))
	}
	for _, g := range Groups(r, ByPolicy) {
		p.ByPolicy = append(p.ByPolicy, f.row(g, ByPolicy))
	}
	for _, g := range Groups(r, ByNamespace) {
		p.Namespaces = append(p.Namespaces, f.row(g, ByNamespace))
	}
	for _, g := range Groups(r, o.By) {
		p.All += len(g.Results)
		if room := maxShown - p.Shown; len(g.Results) > room {
			g.Results = g.Results[:room]
		}
		if len(g.Results) > 0 {
			p.Groups = append(p.Groups, f.findings(g, o.By))
			p.Shown += len(g.Results)
		}
	}
	for _, result := range r.Results {
		if result.Outcome == audit.Skip && len(p.Exceptions) < maxShown {
			p.Exceptions = append(p.Exceptions, result)
		}
	}
	return p
}

// hashed is a style as a Content-Security-Policy names it.
func hashed(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// bar are the outcomes side by side, each as wide as it is frequent, but not too narrow to be seen.
func bar(c audit.Counts) (out []segment) {
	const width, narrowest = 1000, 6
	all := c.Fail + c.Warn + c.Skip + c.Fault + c.Pass
	x := 0
	for _, part := range []struct {
		class string
		n     int
	}{{"fail", c.Fail}, {"error", c.Fault}, {"warn", c.Warn}, {"excepted", c.Skip}, {"pass", c.Pass}} {
		if part.n == 0 {
			continue
		}
		wide := max(narrowest, width*part.n/all)
		if part.n == c.Pass && part.class == "pass" {
			wide = max(narrowest, width-x)
		}
		out = append(out, segment{part.class, strconv.Itoa(x), strconv.Itoa(wide)})
		x += wide
	}
	return out
}

// standardOf is the title of the standard a control is of.
func standardOf(control string) string {
	id, _, _ := strings.Cut(control, "/")
	version, cis := strings.CutPrefix(id, "cis-")
	switch {
	case cis:
		return "CIS Kubernetes Benchmark " + version
	case id == "nsa":
		return "NSA and CISA Kubernetes Hardening Guidance"
	case id == "pss":
		return "Pod Security Standards"
	}
	return id
}

// number is one for people, with its thousands apart.
func number(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// words are the names of policies.
func words(policies []audit.Policy) string {
	var ids []string
	for _, p := range policies {
		ids = append(ids, visible(p.ID))
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

func why(g Group) string {
	lacking := g.Unaudited()
	switch {
	case len(lacking) == 0:
		return ""
	case len(lacking) == 1 && len(g.Policies) == 1:
		return lacking[0].Unaudited
	}
	return fmt.Sprintf("Not judged of what is there: %s.", words(lacking))
}
