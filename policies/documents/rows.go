package documents

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// From is the file's row that the rows of Root's nodes are counted from: a node in line 1 is in this row.
func (d Document) From() int { return d.from }

// Root is the document as YAML spells it, which knows in which line everything stands; nil where that cannot be told. It is read anew with
// each call.
func (d Document) Root() *yaml.Node {
	var root yaml.Node
	if yaml.Unmarshal(d.text, &root) != nil || len(root.Content) == 0 {
		return nil
	}
	return root.Content[0]
}

// Rows finds places in a document.
type Rows struct {
	doc  Document
	root *yaml.Node
}

// Rows reads where everything in the document stands.
func (d Document) Rows() Rows { return Rows{doc: d, root: d.Root()} }

// At returns the place, "file:row", of the member to which a path of keys and positions leads, or of the last on the way that is there; the
// document's own if that is none of them.
func (r Rows) At(path ...string) string {
	key, _, _ := r.find(path)
	if key == nil {
		return r.doc.At()
	}
	return fmt.Sprintf("%s:%d", r.doc.File, r.row(key))
}

// Before returns the file's row before the first line of the text under a path, so that row n of the text is row Before+n of the file. Of a
// text that is not written as a block all lines are taken to be in its one row.
func (r Rows) Before(path ...string) int {
	_, value, all := r.find(path)
	if !all || value == nil {
		return r.doc.Row - 1
	}
	if value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return r.row(value)
	}
	return r.row(value) - 1
}

// Below returns the rows of what stands under a path, as if that were a document.
func (r Rows) Below(path ...string) Rows {
	key, value, all := r.find(path)
	if !all || key == nil {
		return r
	}
	r.doc.Row, r.root = r.row(key), value
	return r
}

func (r Rows) row(node *yaml.Node) int { return r.doc.from + node.Line - 1 }

// find follows a path as far as it leads; all reports whether that is to its end.
func (r Rows) find(path []string) (key, value *yaml.Node, all bool) {
	value = r.root
	for _, name := range path {
		k, v := Child(value, name)
		if k == nil {
			return key, value, false
		}
		key, value = k, v
	}
	return key, value, true
}

// Child returns the key and the value of a mapping's member, or twice an element of a list, or nil.
func Child(node *yaml.Node, name string) (key, value *yaml.Node) {
	node = Resolved(node)
	switch {
	case node == nil:
	case node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if Resolved(node.Content[i]).Value == name {
				return node.Content[i], Resolved(node.Content[i+1])
			}
		}
	case node.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], Resolved(node.Content[i])
		}
	}
	return nil, nil
}

// Resolved returns what an alias stands for.
func Resolved(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// Row is the file's row in which the document, or what is Below, begins.
func (r Rows) Row() int { return r.doc.Row }
