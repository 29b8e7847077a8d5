package sweep

import (
	"errors"
	"hash/fnv"
	"strconv"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// item is one object as a cluster told of it.
type item struct {
	raw                 []byte // of its JSON
	namespace, name     string
	uid, version        string
	hasVersion, hasKind bool // apiVersion and kind are spelt out, which the items of a list are without
}

var errNameless = errors.New("an object has no name")

// readItem reads what is needed of an object to know which one it is.
func readItem(raw []byte) (item, error) {
	out := item{raw: raw}
	d := rawjson.NewDecoder(raw)
	err := d.Object(func(name []byte) error {
		switch string(name) {
		case "apiVersion":
			out.hasVersion = true
		case "kind":
			out.hasKind = true
		case "metadata":
			return d.Object(func(name []byte) (err error) {
				switch {
				case d.Kind() != rawjson.String:
					return d.Skip()
				case string(name) == "namespace":
					out.namespace, err = d.String()
				case string(name) == "name":
					out.name, err = d.String()
				case string(name) == "uid":
					out.uid, err = d.String()
				case string(name) == "resourceVersion":
					out.version, err = d.String()
				default:
					return d.Skip()
				}
				return err
			})
		}
		return d.Skip()
	})
	if err == nil && out.name == "" {
		err = errNameless
	}
	return out, err
}

// whole is the object with apiVersion and kind in it, as everybody but a list spells it.
func (i item) whole(r Resource) []byte {
	if i.hasVersion && i.hasKind || len(i.raw) < 2 {
		return i.raw
	}
	out := make([]byte, 0, len(i.raw)+64)
	out = append(out, '{')
	if !i.hasVersion {
		out = append(strconv.AppendQuote(append(out, `"apiVersion":`...), r.apiVersion()), ',')
	}
	if !i.hasKind {
		out = append(strconv.AppendQuote(append(out, `"kind":`...), r.Kind), ',')
	}
	return append(out, i.raw[1:]...) // it has a name, and so a member
}

// stamp tells one state of an object from another.
func (i item) stamp() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(i.uid))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(i.version))
	return h.Sum32()
}

// Page is a part of a list. Its items are parts of one text, which goes with the last of them.
type Page struct {
	Items           [][]byte // the JSON of each
	ResourceVersion string
	Continue        string // where the next page begins; empty at the end
}

// readPage reads a list.
func readPage(text []byte) (Page, error) {
	var out Page
	d := rawjson.NewDecoder(text)
	err := d.Object(func(name []byte) error {
		switch {
		case string(name) == "metadata" && d.Kind() == rawjson.Object:
			return d.Object(func(name []byte) (err error) {
				switch {
				case d.Kind() != rawjson.String:
					return d.Skip()
				case string(name) == "resourceVersion":
					out.ResourceVersion, err = d.String()
				case string(name) == "continue":
					out.Continue, err = d.String()
				default:
					return d.Skip()
				}
				return err
			})
		case string(name) == "items" && d.Kind() == rawjson.Array:
			return d.Array(func() error {
				raw, err := d.Raw()
				out.Items = append(out.Items, raw)
				return err
			})
		}
		return d.Skip()
	})
	if err == nil && out.ResourceVersion == "" {
		err = errors.New("the list has no resourceVersion")
	}
	return out, err
}

// Event is one thing that happened to the objects of a resource.
type Event struct {
	Type   string // "ADDED", "MODIFIED", "DELETED", "BOOKMARK" or "ERROR"
	Object []byte // its JSON
}

// readEvent reads one event of a watch.
func readEvent(text []byte) (Event, error) {
	var out Event
	d := rawjson.NewDecoder(text)
	err := d.Object(func(name []byte) (err error) {
		switch string(name) {
		case "type":
			out.Type, err = d.String()
		case "object":
			out.Object, err = d.Raw()
		default:
			err = d.Skip()
		}
		return err
	})
	return out, err
}

// versionOf is the resourceVersion of an object, a bookmark included.
func versionOf(raw []byte) string {
	i, err := readItem(raw)
	if err != nil && !errors.Is(err, errNameless) {
		return ""
	}
	return i.version
}
