package documents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// First reads the first document of a file as gator, Gatekeeper's command, reads suites, templates and constraints: "yes" and "no" without
// quotation marks are texts there, where kubectl takes them for booleans. A file of nothing is an empty map. More reports whether documents
// follow, of which nothing is read. Errors name file and row.
func First(file string, content []byte) (doc Document, more bool, err error) {
	doc = Document{File: file, Row: 1 + blank(content), text: content, from: 1}
	decoder := yamlv3.NewDecoder(bytes.NewReader(content))
	doc.JSON, err = next(decoder)
	if err != nil {
		return doc, false, fmt.Errorf("%s:%s", file, yamlError(err, 1))
	}
	var rest any
	return doc, decoder.Decode(&rest) == nil && rest != nil, nil
}

// Objects splits a file as gator splits those of objects: at every line that begins with "---", wherever that is, and without lines that are
// empty or only a comment, even in block texts. As in First, "yes" and "no" are texts. Errors name file and row.
func Objects(file string, content []byte) ([]Document, error) {
	var out []Document
	row := 1
	for part := range strings.SplitSeq(string(content), "\n---") {
		doc := Document{File: file, Row: row + blank([]byte(part)), text: []byte(part), from: row}
		row += strings.Count(part, "\n") + 1
		kept, rows := withoutBlanks(part)
		if kept == "" {
			continue
		}
		var err error
		if doc.JSON, err = next(yamlv3.NewDecoder(strings.NewReader(kept))); err != nil {
			return out, fmt.Errorf("%s:%s", file, yamlErrorIn(err, doc.from, rows))
		}
		if string(doc.JSON) != "{}" {
			out = append(out, doc)
		}
	}
	return out, nil
}

// next is the next document as JSON. It has to be a map.
func next(decoder *yamlv3.Decoder) ([]byte, error) {
	var content any
	if err := decoder.Decode(&content); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch content.(type) {
	case nil:
		content = map[string]any{}
	case map[string]any:
	case map[any]any:
		return nil, errKey
	default:
		return nil, errors.New("the document is no map of keys and values")
	}
	text, err := json.Marshal(content)
	if _, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		err = errKey
	}
	return text, err
}

var errKey = errors.New("a key is no text; put it in quotation marks")

// withoutBlanks is a text without the lines that say nothing, and for each of those that are left, which it was.
func withoutBlanks(text string) (kept string, rows []int) {
	var out strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		out.WriteString(line + "\n")
		rows = append(rows, i)
	}
	return out.String(), rows
}

// yamlErrorIn is yamlError for a document of which only those rows were read.
func yamlErrorIn(err error, from int, rows []int) string {
	line, message, _ := strings.Cut(yamlError(err, 1), ": ")
	var n int
	if _, err := fmt.Sscanf(line, "%d", &n); err == nil && n > 0 && n <= len(rows) {
		return fmt.Sprintf("%d: %s", from+rows[n-1], message)
	}
	return fmt.Sprintf("%d: %s", from, message)
}
