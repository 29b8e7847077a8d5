package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"
	"sigs.k8s.io/yaml"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/audit/export"
	"github.com/portcullis-dev/portcullis/review"
)

// hostile are texts that mean something in one of the formats, or to who shows it.
var hostile = map[string]string{
	"script":           `<script>alert(1)</script><img src=x onerror=alert(1)>`,
	"attribute":        `" onmouseover="alert(1)" x="' autofocus onfocus='alert(1)`,
	"style":            `</style><script>alert(1)</script>{}*{display:none}`,
	"comment":          `--><script>alert(1)</script><!--`,
	"template":         `{{.Results}} ${x} {0}`,
	"formula":          `=cmd|'/C calc'!A0`,
	"formula plus":     `+1+1`,
	"formula minus":    `-1+1`,
	"formula at":       `@SUM(1+1)`,
	"formula tab":      "\t=1+1",
	"formula return":   "\r=1+1",
	"formula wide":     `＝1+1`,
	"formula space":    "  =1+1",
	"escape":           "\x1b[31mred\x1b]0;title\x07\x1b[2J",
	"escape of a byte": "\u009b31mred\u009d0;title\u009c",
	"cdata":            `]]><x>`,
	"entity":           `&lt;b&gt;&#0;&xxe;<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>`,
	"table":            "a | b | `c` | **d** | [e](javascript:alert(1)) | ![f](https://x.test/f.png) | https://x.test | ~~g~~ | \\| h",
	"lines":            "one\ntwo\r\nthree\u2028four\x00five\n# six\n---\nseven: eight",
	"direction":        "user\u202egnp.exe\u2066\u200e\u200f\ufeff\u200b",
	"not text":         "a\xff\xfe\xed\xa0\x80b\ufffe\uffff\U000e0041",
	"yaml":             "- &a *a !!python/object {a: b} # c\n'\": |",
	"long":             strings.Repeat("very long ", 1_000),
	"unbroken":         strings.Repeat("x", 3_000),
	"links in SARIF":   `[click](https://x.test) \[a\](0)`,
	"nothing":          "",
}

// poisoned is a report that says a text wherever it can.
func poisoned(text string) *audit.Report {
	object := audit.Object{Group: text, Version: text, Kind: text, Resource: text, Namespace: text, Name: text, UID: text, File: text, Row: 1}
	r := &audit.Report{
		Cluster: text, At: time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC), Revision: text,
		Policies: []audit.Policy{
			{ID: text, Title: text, Description: text, Severity: text, Controls: []string{text}, Effect: review.Effect(text)},
			{ID: text + "2", Title: text, Unaudited: text},
		},
		Counts: map[string]audit.Counts{text: {Fail: 1, Warn: 1, Skip: 1, Fault: 1}}, Namespaces: map[string]audit.Counts{text: {Fail: 3, Fault: 1}},
		Coverage: []audit.Coverage{{Resource: text, Listed: 1, Skipped: map[string]int{text: 1}, Trouble: text}},
	}
	for _, outcome := range []audit.Outcome{audit.Fail, audit.Warn, audit.Skip, audit.Fault, audit.Outcome(text)} {
		result := audit.Result{Policy: text, Object: object, Outcome: outcome, Severity: text, Message: text, Field: text}
		if outcome == audit.Skip {
			result.Exception = &review.Exception{Name: text, Reason: text, Expires: r.At}
		}
		r.Results = append(r.Results, result)
	}
	return r
}

// Whatever is said, a report has the form that it has of a harmless text, and nothing in it that people cannot see.
func TestNothingThatIsSaidChangesTheForm(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			for _, format := range export.Formats() {
				for _, by := range export.Groupings() {
					got := written(t, poisoned(text), format, export.Options{By: by, Width: 80})
					if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && (r != '\r' || format != export.CSV) && !unicode.IsPrint(r) }) {
						t.Errorf("%s by %s has what cannot be seen: %.300q", format, by, got)
					}
					if err := formed(format, got); err != nil {
						t.Errorf("%s by %s: %v\n%.3000s", format, by, err, got)
					}
				}
			}
		})
	}
}

func formed(format export.Format, text string) error {
	switch format {
	case export.JSON, export.SARIF:
		return json.Unmarshal([]byte(text), new(any))
	case export.JUnit:
		return formedXML(text)
	case export.CSV:
		return formedCSV(text)
	case export.HTML:
		return formedHTML(text)
	case export.Markdown:
		return formedMarkdown(text)
	case export.Objects:
		for doc := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "\n---\n") {
			var object struct{ Kind string }
			if err := yaml.UnmarshalStrict([]byte(doc), &object, yaml.DisallowUnknownFields); err != nil && !strings.Contains(err.Error(), "unknown field") {
				return err
			}
			if object.Kind != "Report" && object.Kind != "ClusterReport" {
				return errors.New("an object of kind " + object.Kind)
			}
		}
	case export.Table: // which has no more form than its characters
	}
	return nil
}

func formedXML(text string) error {
	known := map[string]bool{"testsuites": true, "testsuite": true, "testcase": true, "failure": true, "error": true, "skipped": true}
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && !known[start.Name.Local] {
			return errors.New("an element " + start.Name.Local)
		}
		if _, ok := token.(xml.Directive); ok {
			return errors.New("a directive")
		}
	}
}

func formedCSV(text string) error {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return err
	}
	if len(rows) < 1+1+5+1 {
		return errors.New("rows are lost")
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") || strings.HasPrefix(cell, "＝") {
				return errors.New("a formula: " + cell)
			}
		}
	}
	return nil
}

// formedHTML looks at the page as a browser does: which elements and attributes there are is known.
func formedHTML(text string) error {
	doc, err := html.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	for node := range doc.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		switch node.Data {
		case "script", "img", "iframe", "object", "embed", "link", "base", "form", "input", "x", "b2":
			return errors.New("an element " + node.Data)
		}
		for _, a := range node.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "autofocus" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				return errors.New("an attribute " + a.Key + "=" + a.Val)
			}
		}
	}
	return nil
}

var unescaped = regexp.MustCompile("(^|[^\\\\])[`*_\\[\\]()~!<>]")

// formedMarkdown takes the texts for what they are in a table: rows with as many cells as the first.
func formedMarkdown(text string) error {
	cells := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		n := strings.Count(strings.NewReplacer(`\\`, "", `\|`, "").Replace(line), "|")
		switch {
		case n == 0:
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			return errors.New("a row of other cells: " + line)
		}
		if bare := strings.ReplaceAll(line, `\\`, ""); unescaped.MatchString(bare) {
			return errors.New("unescaped: " + line)
		}
	}
	return nil
}

// The addresses of a page lead to results, whatever the names are in them, and no two are the same.
func TestAddressesOfAPage(t *testing.T) {
	for name, text := range hostile {
		var out bytes.Buffer
		if err := export.Write(&out, poisoned(text), export.HTML, export.Options{}); err != nil {
			t.Fatal(err)
		}
		doc, err := html.Parse(&out)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for node := range doc.Descendants() {
			for _, a := range node.Attr {
				if a.Key == "id" && ids[a.Val] {
					t.Errorf("%s: two elements have the ID %s", name, a.Val)
				}
				if a.Key == "id" {
					ids[a.Val] = true
				}
			}
		}
		for node := range doc.Descendants() {
			for _, a := range node.Attr {
				if a.Key == "href" && !ids[a.Val[1:]] {
					t.Errorf("%s: %s leads nowhere", name, a.Val)
				}
			}
		}
	}
}
