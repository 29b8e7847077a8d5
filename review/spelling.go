package review

import (
	"bytes"
	"encoding/json"

	"github.com/portcullis-dev/portcullis/review/rawjson"
)

// inV1 returns body, a review of the given kind that was read without a fault, in the spelling of v1: apiVersion with v1 for
// v1beta1, and the members of spec that renamed lists by their new names. Policies are written once; which of two versions an
// API server was set up to send, its default being the older, must not decide whether input.spec.groups is there.
// A body in v1 already is returned as it is.
func inV1(body []byte, group, kind, version string, renamed map[string]string) ([]byte, error) {
	if version == group+"/v1" {
		return body, nil
	}
	var out bytes.Buffer
	out.Grow(len(body) + 8)
	out.WriteString(`{"apiVersion":"` + group + `/v1","kind":"` + kind + `","spec":{`)
	d := rawjson.NewDecoder(body)
	separator := ""
	err := d.Object(func(name []byte) error {
		if string(name) != "spec" {
			return d.Skip()
		}
		return d.Object(func(name []byte) error {
			if to, ok := renamed[string(name)]; ok {
				name = []byte(to)
			}
			quoted, err := json.Marshal(string(name))
			if err != nil {
				return err
			}
			value, err := d.Raw()
			out.WriteString(separator)
			out.Write(quoted)
			out.WriteByte(':')
			out.Write(value)
			separator = ","
			return err
		})
	})
	out.WriteString("}}")
	return out.Bytes(), err
}
