package decisions

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// What an explanation shows of a patch: more than anybody reads.
const (
	maxEdits     = 1000
	maxEditsText = 1 << 20
)

// Edit is one operation of a patch, as a reader sees it: what stood at a place before, and what stands there after. Both are indented JSON, empty where
// there is nothing.
type Edit struct {
	Pointer string `json:"pointer"` // RFC 6901, into the object
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
}

var errUnfit = errors.New("the patch does not fit the object")

// edits applies a patch, one operation after the other, and says what each changes and how many were left out. A patch of ours adds, removes and
// replaces. Without an object nothing is known of what stood there before.
func edits(object, patch []byte) (out []Edit, more int, err error) {
	var operations []struct {
		Op    string          `json:"op"`
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(patch, &operations); err != nil {
		return nil, 0, err
	}
	var root any
	if object != nil {
		if root, err = decoded(object); err != nil {
			return nil, 0, err
		}
	}
	text := 0
	for i, o := range operations {
		if i == maxEdits || text > maxEditsText {
			return out, len(operations) - i, nil
		}
		place := edited{op: o.Op}
		edit := Edit{Pointer: o.Path}
		switch o.Op {
		case "add", "replace":
			if place.value, err = decoded(o.Value); err != nil {
				return nil, 0, err
			}
			edit.After = spelt(place.value)
		case "remove":
		default:
			return nil, 0, errUnfit
		}
		if object != nil {
			if root, err = place.in(root, steps(o.Path)); err != nil {
				return nil, 0, err
			}
			edit.Before = place.before
		}
		text += len(edit.Before) + len(edit.After)
		out = append(out, edit)
	}
	return out, 0, nil
}

// edited is an operation while it is applied.
type edited struct {
	op     string
	value  any
	before string // what it took away
}

// in applies the operation at the end of a way that begins at node, and returns what node is then.
func (e *edited) in(node any, way []string) (any, error) {
	if len(way) == 0 {
		e.before = spelt(node)
		return e.value, nil
	}
	switch at := node.(type) {
	case map[string]any:
		return e.member(at, way)
	case []any:
		return e.element(at, way)
	}
	return nil, errUnfit
}

func (e *edited) member(at map[string]any, way []string) (any, error) {
	name := way[0]
	child, there := at[name]
	switch last := len(way) == 1; {
	case !there && last && e.op == "add":
		at[name] = e.value
		return at, nil
	case !there:
		return nil, errUnfit
	case last && e.op == "remove":
		e.before = spelt(child)
		delete(at, name)
		return at, nil
	}
	child, err := e.in(child, way[1:])
	at[name] = child
	return at, err
}

func (e *edited) element(at []any, way []string) (any, error) {
	index, err := strconv.Atoi(way[0])
	if way[0] == "-" {
		index, err = len(at), nil
	}
	last := len(way) == 1
	switch {
	case err != nil || index < 0 || index > len(at):
		return nil, errUnfit
	case last && e.op == "add":
		return slices.Insert(at, index, e.value), nil
	case index == len(at):
		return nil, errUnfit
	case last && e.op == "remove":
		e.before = spelt(at[index])
		return slices.Delete(at, index, index+1), nil
	}
	at[index], err = e.in(at[index], way[1:])
	return at, err
}

// decoded keeps numbers as they are spelt.
func decoded(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// spelt is a value as people read it.
func spelt(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if encoder.Encode(value) != nil { // cannot be: it was JSON
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}
