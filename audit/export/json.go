package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"github.com/portcullis-dev/portcullis/audit"
)

// JSONFormat is the first field of a report as JSON. It changes when a reader of the earlier one would misread the later; a field that is added
// does not change it.
const JSONFormat = "portcullis.dev/audit-report/v1"

// The fields of a report as JSON that are not those of audit.Report, with the policies, results, counts and coverage after them.
type (
	jsonHead struct {
		Format string       `json:"format"`
		Whole  bool         `json:"whole"` // whether all was judged
		Total  audit.Counts `json:"total"`
		By     By           `json:"by"`
		Groups []jsonGroup  `json:"groups"`
	}
	jsonGroup struct {
		Name     string       `json:"name"`
		Title    string       `json:"title,omitempty"`
		State    State        `json:"state"`
		Counts   audit.Counts `json:"counts"`
		Counted  bool         `json:"counted"` // whether counts has the passes
		Policies []string     `json:"policies,omitempty"`
		Results  []string     `json:"results"` // by ID
	}
	jsonResult struct {
		ID string `json:"id"`
		audit.Result
	}
	jsonReport struct {
		jsonHead
		audit.Report
		Policies []audit.Policy   `json:"policies"`
		Results  []jsonResult     `json:"results"`
		Coverage []audit.Coverage `json:"coverage"`
	}
)

func writeJSON(out io.Writer, r *audit.Report, o Options) error {
	doc := jsonReport{
		jsonHead: jsonHead{Format: JSONFormat, Whole: r.Whole(), Total: r.Total(), By: o.By, Groups: []jsonGroup{}},
		Report:   *r,
		Policies: append([]audit.Policy{}, r.Policies...),
		Results:  make([]jsonResult, 0, len(r.Results)),
		Coverage: append([]audit.Coverage{}, r.Coverage...),
	}
	for _, result := range r.Results {
		doc.Results = append(doc.Results, jsonResult{result.ID(), result})
	}
	for _, g := range Groups(r, o.By) {
		group := jsonGroup{Name: g.Name, Title: g.Title, State: g.State(), Counts: g.Counts, Counted: g.Counted, Results: []string{}}
		for _, p := range g.Policies {
			group.Policies = append(group.Policies, p.ID)
		}
		for _, result := range g.Results {
			group.Results = append(group.Results, result.ID())
		}
		doc.Groups = append(doc.Groups, group)
	}
	return encode(out, doc)
}

// encode writes JSON that people can read, too.
func encode(out io.Writer, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	_, err := out.Write(printable(text.Bytes()))
	return err
}

// lines is a writer that remembers what went wrong.
type lines struct {
	*bufio.Writer
}

func newLines(out io.Writer) lines { return lines{bufio.NewWriter(out)} }

// put writes texts; an error is told by Flush.
func (l lines) put(texts ...string) {
	for _, text := range texts {
		_, _ = l.WriteString(text)
	}
}
