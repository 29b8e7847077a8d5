package review

import (
	"fmt"
	"strings"
	"sync"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// Head is what an object says of itself.
type Head struct {
	APIVersion, Kind, Namespace, Name string
	GenerateName                      string // what the API server makes a name of if there is none
	Labels                            map[string]string
}

// Group is the object's API group; that of the core group is "".
func (h *Head) Group() string {
	group, _, found := strings.Cut(h.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}

// heads are those of a request's objects, read when somebody asks for them first.
type heads struct {
	once        sync.Once
	object, old *Head
	err         error
}

// Heads returns what the new and the old object say of themselves, nil where there is none. They are read once a request, however many ask;
// nobody may change them. The error says which of them cannot be read.
func (r *Request) Heads() (object, old *Head, err error) {
	h := r.heads
	if h == nil { // a request that came by no Dialect
		h = &heads{}
	}
	h.once.Do(func() {
		if h.object, h.err = readHead(r.Object); h.err != nil {
			h.err = fmt.Errorf("the object cannot be read: %w", h.err)
			return
		}
		if h.old, h.err = readHead(r.OldObject); h.err != nil {
			h.err = fmt.Errorf("the old object cannot be read: %w", h.err)
		}
	})
	return h.object, h.old, h.err
}

// readHead reads an object's head and passes over the rest. What is not of its type is taken for absent: the API server lets no such object by.
func readHead(object []byte) (*Head, error) {
	if len(object) == 0 {
		return nil, nil
	}
	var out Head
	d := rawjson.NewDecoder(object)
	text := func(into *string) (err error) {
		if d.Kind() != rawjson.String {
			return d.Skip()
		}
		*into, err = d.String()
		return err
	}
	err := d.Object(func(name []byte) error {
		switch string(name) {
		case "apiVersion":
			return text(&out.APIVersion)
		case "kind":
			return text(&out.Kind)
		case "metadata":
			if d.Kind() == rawjson.Object {
				return d.Object(func(name []byte) error { return out.metadata(d, string(name), text) })
			}
		}
		return d.Skip()
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

func (h *Head) metadata(d *rawjson.Decoder, name string, text func(*string) error) error {
	switch name {
	case "name":
		return text(&h.Name)
	case "generateName":
		return text(&h.GenerateName)
	case "namespace":
		return text(&h.Namespace)
	case "labels":
		if d.Kind() != rawjson.Object {
			return d.Skip()
		}
		h.Labels = map[string]string{}
		return d.Object(func(name []byte) error {
			key, value := string(name), ""
			err := text(&value)
			h.Labels[key] = value
			return err
		})
	}
	return d.Skip()
}
