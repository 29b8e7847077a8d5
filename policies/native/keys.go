package native

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/portcullis-dev/portcullis/policies/documents"
)

// keys is what custom.portcullis or a document says, as YAML spells it: it knows in which row of the file each key is.
type keys struct {
	file string
	row  int        // the file's row of the text's first
	name string     // how messages call the node, "custom.portcullis"; empty for a whole document
	node *yaml.Node // nil when there is nothing
}

// keysOf is all that a document says.
func keysOf(doc documents.Document) keys {
	return keys{file: doc.File, row: doc.From(), node: doc.Root()}
}

// place returns a node's place in messages, "file:row".
func (k keys) place(node *yaml.Node) string { return fmt.Sprintf("%s:%d", k.file, k.row+node.Line-1) }

// below returns what stands under a key; its node is nil when the key is not there.
func (k keys) below(name string) keys {
	_, k.node = documents.Child(k.node, name)
	k.name = dotted(k.name, name)
	return k
}

// find returns the place to which a path of keys and positions leads, or the last on the way that is there, and how far it leads. It
// is empty when not even the first is there.
func (k keys) find(path []string) (place string, depth int) {
	node := k.node
	for _, name := range path {
		key, value := documents.Child(node, name)
		if key == nil {
			break
		}
		place, node, depth = k.place(key), value, depth+1
	}
	return place, depth
}

// members returns the keys of a mapping.
func (k keys) members() (out []*yaml.Node) {
	if k.node != nil && k.node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(k.node.Content); i += 2 {
			out = append(out, k.node.Content[i])
		}
	}
	return out
}

// dotted is the name of a key in messages.
func dotted(parent, key string) string {
	if strings.ContainsFunc(key, func(r rune) bool { return !strconv.IsPrint(r) }) {
		key = strconv.Quote(key)
	}
	if parent == "" {
		return key
	}
	return parent + "." + key
}

// called is what messages call a name of keys.
func called(name string) string {
	if name == "" {
		return "the document"
	}
	return name
}

// placedError is an error of which it is known where it is: at a place, or under a path of keys that may stand in several texts.
type placedError struct {
	at   string // "file:row"
	path []string
	err  error
}

func (e *placedError) Error() string { return e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// under says that an error, if it is one, is about what stands under a path of keys.
func under(err error, path ...string) error {
	if err == nil {
		return nil
	}
	return &placedError{path: path, err: err}
}

// blame begins an error with its place and with whom it is about. Where it is about a key, the place is the key's in the first of the
// texts that has it; an error without a place is at the one given.
func blame(err error, at, whom string, in ...keys) error {
	if placed, ok := errors.AsType[*placedError](err); ok {
		if placed.at != "" {
			at = placed.at
		}
		deepest := 0
		for _, text := range in {
			// What is below a field of match comes from one text: the depth there tells nothing of which.
			if place, depth := text.find(placed.path); min(depth, 2) > deepest {
				at, deepest = place, min(depth, 2)
			}
		}
	}
	return fmt.Errorf("%s: %s: %w", at, whom, err)
}
