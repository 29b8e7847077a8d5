// Package documents splits YAML and JSON files into their documents, as kubectl reads them, and knows in which row of the file each part of
// one stands.
package documents

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Document is one document of a YAML or JSON file, read as kubectl reads it.
type Document struct {
	File string
	Row  int    // of its first line
	JSON []byte // one value; an object, if the document is an object's
	text []byte
	from int // the file's row in which text begins
}

// At is the document's place in messages, "file:row".
func (d Document) At() string { return fmt.Sprintf("%s:%d", d.File, d.Row) }

// Of makes a document of an object that was read from somewhere else than a file. All of it is in row 1.
func Of(file string, object []byte) Document {
	return Document{File: file, Row: 1, JSON: object, text: object, from: 1}
}

// Split splits a file into its documents; empty ones are left out. Errors name file and row; the documents before one are returned with it.
func Split(file string, content []byte) ([]Document, error) {
	var out []Document
	row := 1
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("%s:%d: %w", file, row, err)
		}
		if at := another(text); at > 0 {
			return out, fmt.Errorf("%s:%d: what follows %q is not read; begin another document with %q", file, row+at-1, "...", "---")
		}
		converted, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			return out, fmt.Errorf("%s:%s", file, yamlError(err, row))
		}
		if string(converted) != "null" {
			out = append(out, Document{File: file, Row: row + blank(text), JSON: converted, text: text, from: row})
		}
		row += bytes.Count(text, []byte("\n")) + 1
	}
}

// another returns the row of a mark "..." behind which a second document stands, or 0: YAML knows it, and to kubectl it is the end.
func another(text []byte) int {
	before, _, marked := bytes.Cut(text, []byte("\n..."))
	if !marked {
		return 0
	}
	var node yamlv3.Node
	d := yamlv3.NewDecoder(bytes.NewReader(text))
	if d.Decode(&node) != nil || errors.Is(d.Decode(&node), io.EOF) {
		return 0
	}
	return bytes.Count(before, []byte("\n")) + 2
}

// blank counts the lines before the first that says something.
func blank(text []byte) int {
	count := 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			break
		}
		count++
	}
	return count
}

// yamlError makes "12: message" of the library's "yaml: line 2: message" in a document whose first line is row 11. Of several it tells the
// first.
func yamlError(err error, row int) string {
	text := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n"} {
		text = strings.TrimPrefix(text, prefix)
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				return fmt.Sprintf("%d: %s", row+line-1, message)
			}
		}
	}
	return fmt.Sprintf("%d: %s", row, text)
}
