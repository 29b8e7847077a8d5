package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/portcullis-dev/portcullis/policies/inventory"
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
}

// readMetadata returns what the package's METADATA says, and whether there is any for the server.
func readMetadata(modules []module) (found metadata, ok bool, err error) {
	for _, m := range modules {
		for _, a := range m.Annotations {
			custom, given := a.Custom["portcullis"]
			if a.Scope != "package" || !given {
				continue
			}
			at := fmt.Sprintf("%s:%d", m.Package.Location.File, a.Location.Row)
			if ok {
				return found, true, fmt.Errorf("%s: package %s has a second METADATA with custom.portcullis", at, identity(m.Package.Path))
			}
			text, err := json.Marshal(custom)
			if err != nil {
				return found, true, fmt.Errorf("%s: custom.portcullis: %w", at, err)
			}
			if err := strict(text, &found); err != nil {
				return found, true, fmt.Errorf("%s: custom.portcullis: %w", position(m, a, err), err)
			}
			if err := found.check(); err != nil {
				return found, true, fmt.Errorf("%s: custom.portcullis: %w", at, err)
			}
			found.title, found.description, ok = a.Title, a.Description, true
		}
	}
	return found, ok, nil
}

func (m metadata) check() error {
	if _, _, err := m.data(); err != nil {
		return err
	}
	switch m.Severity {
	case "", "low", "medium", "high", "critical":
		return nil
	}
	return fmt.Errorf("severity %q is none of low, medium, high and critical", m.Severity)
}

const (
	// defaultStaleness is several times the minute within which an API server tells every watcher how far it has come.
	defaultStaleness = 5 * time.Minute
	// minStaleness leaves time to renew a watch before what it told is too old; maxStaleness is as good as none.
	minStaleness = 10 * time.Second
	maxStaleness = 24 * time.Hour
	// maxKinds bounds what one policy can have the server watch.
	maxKinds = 16
)

// data reads which kinds of objects are read, and how old what is known of them may be.
func (m metadata) data() (kinds []inventory.Kind, stale time.Duration, err error) {
	if len(m.Data) > maxKinds {
		return nil, 0, fmt.Errorf("data: %d kinds are more than %d; split the policy", len(m.Data), maxKinds)
	}
	for _, text := range m.Data {
		kind, err := inventory.ParseKind(text)
		if err != nil {
			return nil, 0, fmt.Errorf("data: %w", err)
		}
		if groups := groupsOf(text); !strings.Contains(text, ".") && !slices.Contains(groups, "") {
			if len(groups) == 0 {
				return nil, 0, fmt.Errorf("data: %q is not a kind of the core group; write it with its group, such as %q", text, text+".example.com")
			}
			return nil, 0, fmt.Errorf("data: %q is not a kind of the core group; write %q", text, text+"."+groups[0])
		}
		if slices.Contains(kinds, kind) {
			return nil, 0, fmt.Errorf("data: %q is listed twice", text)
		}
		kinds = append(kinds, kind)
	}
	switch {
	case m.MaxStaleness == "":
		return kinds, defaultStaleness, nil
	case len(kinds) == 0:
		return nil, 0, errors.New("maxStaleness is about data, and there is none")
	}
	stale, err = time.ParseDuration(m.MaxStaleness)
	if err != nil || stale < minStaleness || stale > maxStaleness {
		return nil, 0, fmt.Errorf(`maxStaleness %q is not a time between 10s and 24h, such as "90s" or "5m"`, m.MaxStaleness)
	}
	return kinds, stale, nil
}

// strict decodes JSON and refuses members that the type does not have.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return plain(err)
	}
	return nil
}

// unknownFieldError is an error of encoding/json said in words.
type unknownFieldError string

func (f unknownFieldError) Error() string { return fmt.Sprintf("unknown field %q", string(f)) }

func plain(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, `unknown field "`); ok {
		return unknownFieldError(strings.TrimSuffix(name, `"`))
	}
	return err
}

// position finds the row of an unknown field in the comment it was read from, or else the row at which the comment begins.
func position(m module, a *ast.Annotations, err error) string {
	row := a.Location.Row
	if name, ok := errors.AsType[unknownFieldError](err); ok {
		lines := strings.Split(string(m.text), "\n")
		for i := row; i < len(lines) && strings.HasPrefix(lines[i], "#"); i++ {
			if strings.HasPrefix(strings.TrimLeft(lines[i], "# {"), string(name)+":") {
				row = i + 1
				break
			}
		}
	}
	return fmt.Sprintf("%s:%d", m.Package.Location.File, row)
}
