package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis/policies/documents"
)

// maxSuite bounds a suite in bytes: the largest in use have some hundred cases of a few hundred bytes.
const maxSuite = 4 << 20

// ReadFile reads the suite in a file; nil if it holds something else. Errors name file and row.
func ReadFile(file string) (*Suite, error) {
	text, err := readable(file)
	if err != nil {
		return nil, err
	}
	return Read(file, text)
}

// Read reads the suite that a text is; nil if it is something else. Files are named from the directory of file. Of Gatekeeper's suites, what
// Gatekeeper passes over is passed over, with a note; one of ours must have nothing that is not known. Errors name file and row.
func Read(file string, text []byte) (*Suite, error) {
	if len(text) > maxSuite {
		return nil, fmt.Errorf("%s: a suite has at most %d MiB; divide it", file, maxSuite>>20)
	}
	doc, more, err := documents.First(file, text)
	if err != nil {
		return nil, err
	}
	var head struct {
		APIVersion any `json:"apiVersion"`
		Kind       any `json:"kind"`
	}
	if err := json.Unmarshal(doc.JSON, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", doc.At(), err)
	}
	apiVersion, _ := head.APIVersion.(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	if head.Kind != suiteKind || group != gatekeepersGroup && group != ownGroup {
		return nil, nil
	}
	s := &Suite{File: file, own: group == ownGroup}
	rows := doc.Rows()
	if s.own && apiVersion != ownVersion {
		return nil, fmt.Errorf("%s: apiVersion %s is not known; there is %s", rows.At("apiVersion"), apiVersion, ownVersion)
	}
	if err := json.Unmarshal(doc.JSON, s); err != nil {
		return nil, mistyped(rows, doc.JSON, err)
	}
	unknown := unknownIn(doc.JSON, s.own)
	slices.SortStableFunc(unknown, func(a, b unknownMember) int { return rows.Below(a.path...).Row() - rows.Below(b.path...).Row() })
	for _, u := range unknown {
		at := rows.At(u.path...)
		if s.own {
			return nil, fmt.Errorf("%s: %s is not known; correct the spelling, or leave it out", at, u.name())
		}
		s.Notes = append(s.Notes, fmt.Sprintf("%s: %s is passed over%s", at, u.name(), u.why()))
	}
	if len(s.Tests) == 0 {
		s.Notes = append(s.Notes, doc.At()+": the suite has no tests, and so expects nothing")
	}
	if more {
		s.Notes = append(s.Notes, fmt.Sprintf("%s: a file holds one suite, and what follows the first document is not run; give it a file of its own", doc.At()))
	}
	s.place(rows)
	if !s.own {
		s.foreign()
	}
	return s, nil
}

// place notes in which row everything stands.
func (s *Suite) place(rows documents.Rows) {
	for i := range s.Tests {
		t := &s.Tests[i]
		at := []string{"tests", strconv.Itoa(i)}
		t.at = rows.At(at...)
		for j := range t.Cases {
			c := &t.Cases[j]
			at := append(slices.Clip(at), "cases", strconv.Itoa(j))
			c.at = rows.At(at...)
			for k := range c.Assertions {
				c.Assertions[k].at = rows.At(append(slices.Clip(at), "assertions", strconv.Itoa(k))...)
			}
		}
	}
}

// mistyped says in a sentence, and at its row, what a JSON decoder says of a value of the wrong type.
func mistyped(rows documents.Rows, text []byte, err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return fmt.Errorf("%s: it cannot be read: %w", rows.At(), err)
	}
	// The decoder names fields without the positions in lists; the first that has such a value is the one.
	path := seek(text, strings.Split(wrong.Field, "."), wrong.Value)
	kind, ok := map[string]string{"string": "a text", "bool": "true or false", "slice": "a list", "struct": "a map", "map": "a map"}[wrong.Type.Kind().String()]
	if !ok {
		kind = "a " + wrong.Type.Kind().String()
	}
	return fmt.Errorf("%s: %s must be %s, not %s", rows.At(path...), wrong.Field, kind, valueName(wrong.Value))
}

func valueName(kind string) string {
	kind, _, _ = strings.Cut(kind, " ")
	if name, ok := map[string]string{"string": "a text", "bool": "true or false", "array": "a list", "object": "a map", "number": "a number"}[kind]; ok {
		return name
	}
	return kind
}

// seek finds the path, with positions in lists, of the first value under a path without them that is of a kind of JSON's.
func seek(text []byte, names []string, kind string) []string {
	var content any
	if json.Unmarshal(text, &content) != nil {
		return nil
	}
	kind, _, _ = strings.Cut(kind, " ")
	path, _ := seekIn(content, names, kind)
	return path
}

func seekIn(content any, names []string, kind string) ([]string, bool) {
	if len(names) == 0 && kindOf(content) == kind {
		return nil, true
	}
	switch v := content.(type) {
	case []any:
		for i, element := range v {
			if path, ok := seekIn(element, names, kind); ok {
				return append([]string{strconv.Itoa(i)}, path...), true
			}
		}
	case map[string]any:
		if len(names) > 0 {
			if path, ok := seekIn(v[names[0]], names[1:], kind); ok {
				return append([]string{names[0]}, path...), true
			}
		}
	}
	return nil, false
}

func kindOf(content any) string {
	switch content.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		return "number"
	}
	return "null"
}
