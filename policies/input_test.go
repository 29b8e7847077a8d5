package policies

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestParseValueKeepsWhatTheTextSays(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": [1, -2.5, 12345678901234567890], "b": {"c": null, "d": true}, "e": "é\n"}`: `{"a": [1, -2.5, 12345678901234567890], "b": {"c": null, "d": true}, "e": "é\n"}`,
		`{}`:   `{}`,
		` [] `: `[]`,
	} {
		value, err := ParseValue([]byte(text))
		if err != nil || value.String() != want {
			t.Errorf("%s: %v %v", text, value, err)
		}
	}
	for _, text := range []string{`{"a":1,"a":2}`, `{"a":`, `[1] 2`, `{"a":[{"b":tru}]}`} {
		if value, err := ParseValue([]byte(text)); err == nil {
			t.Errorf("%s was read as %v", text, value)
		}
	}
}

// FuzzParseValue holds our reading of JSON against OPA's: whatever we accept, OPA understands alike.
func FuzzParseValue(f *testing.F) {
	f.Add(`{"a":[1,2.5e3,"x\u00e9",null,true],"b":{}}`)
	f.Add(`[1.0,1,-0,1e2,100]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseValue([]byte(text))
		if err != nil {
			return
		}
		want, err := ast.ValueFromReader(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q was accepted, but OPA says %v", text, err)
		}
		if got.Compare(want) != 0 {
			t.Fatalf("%q: got %v, OPA has %v", text, got, want)
		}
	})
}
