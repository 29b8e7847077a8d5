package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// head is what an object says of itself.
type head struct {
	group, version, kind string
	// namespaced says that its metadata has a namespace; if not, one belongs to metadataAt, where the metadata starts, or -1.
	namespaced bool
	metadataAt int
}

// errEnough ends the reading of an object of which enough is known.
var errEnough = errors.New("enough")

// headOf reads the head of an object. What is not one has no kind.
func headOf(object []byte) (h head) {
	const apiVersion, kind, metadata = 1, 2, 4
	h.metadataAt = -1
	seen, d := 0, rawjson.NewDecoder(object)
	if d.Kind() != rawjson.Object {
		return h
	}
	_ = d.Object(func(name []byte) (err error) {
		switch name := string(name); {
		case name == "apiVersion" && d.Kind() == rawjson.String:
			var text string
			text, err = d.String()
			h.group, h.version = splitVersion(text)
			seen |= apiVersion
		case name == "kind" && d.Kind() == rawjson.String:
			h.kind, err = d.String()
			seen |= kind
		case name == "metadata" && d.Kind() == rawjson.Object:
			h.metadataAt = d.Offset()
			err = d.Object(func(name []byte) error {
				h.namespaced = h.namespaced || string(name) == "namespace"
				return d.Skip()
			})
			seen |= metadata
		default:
			err = d.Skip()
		}
		if err == nil && seen == apiVersion|kind|metadata {
			err = errEnough
		}
		return err
	})
	return h
}

func splitVersion(apiVersion string) (group, version string) {
	if group, version, grouped := strings.Cut(apiVersion, "/"); grouped {
		return group, version
	}
	return "", apiVersion
}

// objectIn is an object, or nil where there is none.
func objectIn(text json.RawMessage) (json.RawMessage, head) {
	if h := headOf(text); h.kind != "" {
		return bytes.TrimSpace(text), h
	}
	return nil, head{}
}

// placed is the object with its namespace in it, where the API server puts it before it asks.
func placed(object json.RawMessage, namespace string) json.RawMessage {
	h := headOf(object)
	if namespace == "" || h.metadataAt < 0 || h.namespaced {
		return object
	}
	name, err := json.Marshal(namespace)
	if err != nil {
		return object
	}
	member := slices.Concat([]byte(`"namespace":`), name)
	if rest := bytes.TrimSpace(object[h.metadataAt+1:]); len(rest) > 0 && rest[0] != '}' {
		member = append(member, ',')
	}
	return slices.Insert(slices.Clone(object), h.metadataAt+1, member...)
}
