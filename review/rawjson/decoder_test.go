package rawjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// build decodes with a Decoder into what encoding/json would have made, so that the two can be compared.
func build(d *Decoder) (any, error) {
	switch d.Kind() {
	case Object:
		out := map[string]any{}
		return out, d.Object(func(name []byte) error {
			key := string(name)
			v, err := build(d)
			out[key] = v
			return err
		})
	case Array:
		out := []any{}
		err := d.Array(func() error {
			v, err := build(d)
			out = append(out, v)
			return err
		})
		return out, err
	case String:
		return d.String()
	case Number:
		n, err := d.Number()
		return json.Number(n), err
	case Bool:
		return d.Bool()
	case Null:
		return nil, d.Null()
	default:
		return nil, d.Skip()
	}
}

func decode(text string) (any, error) {
	d := NewDecoder([]byte(text))
	v, err := build(d)
	if err != nil {
		return nil, err
	}
	return v, d.End()
}

func TestAccepted(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-0.5e+3`, `true`, `false`, `null`, ` { "a" : [ 1 , {"b":null} ] } `,
		`"\u00e9\ud83d\ude00\\\/\b\f\n\r\t\""`, `"é😀"`, `{"a":1,"A":2}`, `{"":0}`, `12345678901234567890`,
		`[` + strings.Repeat(`{"k":1},`, 40) + `{}]`,
	} {
		got, err := decode(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if want := standard(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, encoding/json has %#v", text, got, want)
		}
		if err := Check([]byte(text)); err != nil {
			t.Errorf("Check(%s): %v", text, err)
		}
	}
}

func standard(t *testing.T, text string) any {
	t.Helper()
	var want any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	return want
}

func TestRefused(t *testing.T) {
	many := &strings.Builder{}
	for i := range 100 {
		many.WriteString(`"k` + strings.Repeat("x", i) + `":1,`)
	}
	for _, c := range []struct{ text, want string }{
		{``, "at byte 0: the document ends where an object should stand"},
		{`{`, "at byte 1: the document ends inside a value that '}' should close"},
		{`{"a"}`, "at byte 4: a colon should follow the member name \"a\""},
		{`{"a":1,}`, "at byte 7: unexpected character '}'"},
		{`{"a":1 "b":2}`, "at byte 7: unexpected character '\"' where a comma or '}' should stand"},
		{`{"a":1,"a":2}`, "at byte 7: the member \"a\" stands twice in one object"},
		{`{"a":1,"\u0061":2}`, "at byte 7: the member \"a\" stands twice in one object"},
		{`{` + many.String() + `"kxx":2}`, "the member \"kxx\" stands twice in one object"},
		{`{1:2}`, "at byte 1: a string should stand here, not a number"},
		{`[1,]`, "at byte 3: unexpected character ']'"},
		{`{} {}`, "at byte 3: something follows the end of the document"},
		{"\xef\xbb\xbf{}", "at byte 0: unexpected character 'ï'"},
		{"\"\xff\"", "a string is not valid UTF-8"},
		{"\"\\n\xff\"", "a string is not valid UTF-8"},
		{"\"a\nb\"", "a control character stands unescaped in a string"},
		{`"\ud800"`, "half of a surrogate pair stands alone in a string"},
		{`"\ud800\u0041"`, "half of a surrogate pair stands alone in a string"},
		{`"\x"`, `unknown escape "\\x" in a string`},
		{`"\u12`, "the document ends inside a string"},
		{`"\u12zz"`, `four hexadecimal digits should follow \u`},
		{`"abc`, "the document ends inside a string"},
		{`01`, "at byte 1: something follows the end of the document"},
		{`1.`, "a digit should follow the decimal point"},
		{`-`, "a digit should follow the minus sign"},
		{`1e`, "a digit should follow the exponent sign"},
		{`0e1000`, "at byte 0: a number is out of range"},
		{`1e999`, "at byte 0: a number is out of range"},
		{strings.Repeat("9", 400), "at byte 0: a number is out of range"},
		{`tru`, "unexpected character 't'"},
		{`nul`, "unexpected character 'n'"},
		{`NaN`, "unexpected character 'N'"},
		{strings.Repeat("[", MaxDepth+1), "more than 512 levels of nesting"},
		{strings.Repeat(`{"a":`, MaxDepth+1), "more than 512 levels of nesting"},
	} {
		for name, err := range map[string]error{"Check": Check([]byte(c.text)), "decode": second(decode(c.text))} {
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s(%.40q) = %v, want %q", name, c.text, err, c.want)
			}
		}
	}
}

func second(_ any, err error) error { return err }

func TestDepthAtTheBound(t *testing.T) {
	for depth, ok := range map[int]bool{MaxDepth - 1: true, MaxDepth: true, MaxDepth + 1: false, 9_999: false, 10_001: false} {
		text := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		if err := Check([]byte(text)); (err == nil) != ok {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// FuzzDecoder holds the Decoder against encoding/json: whatever it accepts, the standard library accepts and understands
// alike; and Check and a full decode agree on every text.
func FuzzDecoder(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true]}`, `{"a":1,"a":2}`, `[[[]]]`, `"\ud83d\ude00"`, `-0.0`, ` `} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		if checked := Check([]byte(text)); (checked == nil) != (err == nil) {
			t.Fatalf("Check says %v, decoding says %v", checked, err)
		}
		if err != nil {
			return
		}
		if want := standard(t, text); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, encoding/json has %#v", text, got, want)
		}
	})
}
