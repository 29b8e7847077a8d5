package native

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/spelling"
	"github.com/portcullis-dev/portcullis/policies/v1alpha1"
)

// metadata is what a package's METADATA says to the server, under custom.portcullis.
type metadata struct {
	Severity    string          `json:"severity"`
	Controls    []string        `json:"controls"`
	Match       *v1alpha1.Match `json:"match"`
	Parameters  json.RawMessage `json:"parameters"`
	Enforcement string          `json:"enforcement"`
	OnError     string          `json:"onError"`
	Data        []string        `json:"data"`
	// MaxStaleness is the greatest age at which what is known of Data is of use, as time.ParseDuration reads it.
	MaxStaleness string `json:"maxStaleness"`

	title, description string
	keys               keys
}

// readMetadata returns what the package's METADATA says, and whether there is any for the server. Its errors begin with file and row.
func readMetadata(modules []module) (found metadata, ok bool, err error) {
	for _, m := range modules {
		for _, a := range m.Annotations {
			said, err := custom(m, a)
			if err != nil {
				return found, true, err
			}
			if said.node == nil {
				continue
			}
			if ok {
				return found, true, fmt.Errorf("%s:%d: package %s has a second METADATA with custom.portcullis",
					m.Package.Location.File, a.Location.Row, identity(m.Package.Path))
			}
			text, err := json.Marshal(a.Custom["portcullis"])
			if err != nil {
				return found, true, fmt.Errorf("%s: custom.portcullis: %w", said.place(said.node), err)
			}
			if err := said.decode(text, &found); err != nil {
				return found, true, err
			}
			if err := found.check(); err != nil {
				return found, true, blame(err, said.place(said.node), "custom.portcullis", said)
			}
			found.title, found.description, found.keys, ok = a.Title, a.Description, said, true
		}
	}
	return found, ok, nil
}

func (m metadata) check() error {
	if _, err := m.kinds(); err != nil {
		return err
	}
	if _, err := m.staleness(); err != nil {
		return err
	}
	switch m.Severity {
	case "", "low", "medium", "high", "critical":
		return nil
	}
	return under(fmt.Errorf("severity %q is none of low, medium, high and critical", m.Severity), "severity")
}

// custom returns what METADATA says under custom.portcullis; its node is nil when that is not there. Words that are meant for the server
// and would not reach it are an error; all other keys are the users' own.
func custom(m module, a *ast.Annotations) (keys, error) {
	all := keys{file: m.Package.Location.File, row: a.Location.Row}
	// OPA gives each line behind "# ". The first, METADATA itself, stays a comment, so that the rows are right.
	var document yaml.Node
	text := strings.ReplaceAll(string(a.Location.Text), "\n# ", "\n")
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) == 0 {
		return all, nil //nolint:nilerr // OPA has read it; it says nothing
	}
	all.node = document.Content[0]
	inside := all.below("custom")
	for _, c := range []struct {
		in            keys
		name, meaning string
	}{{all, "custom", "custom"}, {all, "portcullis", "custom.portcullis"}, {inside, "portcullis", "custom.portcullis"}} {
		for _, key := range c.in.members() {
			word, _, _ := strings.Cut(documents.Resolved(key).Value, ".")
			if name := dotted(c.in.name, documents.Resolved(key).Value); name != c.meaning && spelling.Nearest(word, c.name) != "" {
				return all, fmt.Errorf("%s: %s is not known; did you mean %s?", all.place(key), name, c.meaning)
			}
		}
	}
	said := inside.below("portcullis")
	if said.node != nil && a.Scope != "package" {
		place, _ := inside.find([]string{"portcullis"})
		return said, fmt.Errorf("%s: custom.portcullis is read in the METADATA of the package alone, and this has the scope %s; "+
			"move it above the line %q", place, a.Scope, m.Package.String())
	}
	return said, nil
}

// lost returns an error for comments that were meant for METADATA of which OPA knows nothing, because its first line is spelt otherwise
// or there is a gap behind it.
func lost(modules []module) error {
	for _, m := range modules {
		for _, comment := range m.Comments {
			row := comment.Location.Row
			read := slices.ContainsFunc(m.Annotations, func(a *ast.Annotations) bool {
				return a.Location.Row <= row && row <= a.EndLoc().Row
			})
			rest, ok := strings.CutPrefix(strings.TrimSpace(string(comment.Text)), "portcullis:")
			if rest = strings.TrimSpace(rest); ok && !read && (rest == "" || rest[0] == '{') {
				return fmt.Errorf("%s:%d: this comment is not read as METADATA: that begins with the line %q and has no gap",
					m.Package.Location.File, row, "# METADATA")
			}
		}
	}
	return nil
}
