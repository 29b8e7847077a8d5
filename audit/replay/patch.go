package replay

import (
	"bytes"
	"encoding/json"
	"reflect"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// samePatch reports whether two patches make the same of an object, however they are spelt. One that does not apply is the same as nothing else.
func samePatch(object, a, b []byte) bool {
	if empty(a) && empty(b) || bytes.Equal(a, b) {
		return true
	}
	one, err := patched(object, a)
	if err != nil {
		return false
	}
	other, err := patched(object, b)
	return err == nil && sameJSON(one, other)
}

func empty(patch []byte) bool {
	text := bytes.TrimSpace(patch)
	return len(text) == 0 || string(text) == "[]" || string(text) == "null"
}

// patched is the object after the patch.
func patched(object, patch []byte) ([]byte, error) {
	if empty(patch) {
		return object, nil
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	return decoded.Apply(object)
}

func sameJSON(a, b []byte) bool {
	decode := func(text []byte) (value any, err error) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&value)
		return value, err
	}
	one, err := decode(a)
	if err != nil {
		return false
	}
	other, err := decode(b)
	return err == nil && reflect.DeepEqual(one, other)
}
