package rawjson

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxExponent is how many digits an exponent may have; those of a float64 have three.
const maxExponent = 3

// Bool reads true or false.
func (d *Decoder) Bool() (bool, error) {
	if err := d.Expect(Bool); err != nil {
		return false, err
	}
	if d.data[d.pos] == 't' {
		return true, d.word("true")
	}
	return false, d.word("false")
}

// Null reads null.
func (d *Decoder) Null() error {
	if err := d.Expect(Null); err != nil {
		return err
	}
	return d.word("null")
}

func (d *Decoder) word(w string) error {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(w)) {
		return d.fail("unexpected character %q", d.data[d.pos])
	}
	d.pos += len(w)
	return nil
}

// String reads a string.
func (d *Decoder) String() (string, error) {
	b, err := d.Text()
	return string(b), err
}

// Text reads a string and returns its unescaped bytes: a slice of the text where it has no escapes, else a copy.
func (d *Decoder) Text() ([]byte, error) {
	if err := d.Expect(String); err != nil {
		return nil, err
	}
	return d.text()
}

// Number reads a number and returns its spelling, a slice of the text.
func (d *Decoder) Number() ([]byte, error) {
	if err := d.Expect(Number); err != nil {
		return nil, err
	}
	start, digits := d.pos, func() bool {
		from := d.pos
		for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos > from
	}
	if d.data[d.pos] == '-' {
		d.pos++
	}
	switch {
	case d.pos < len(d.data) && d.data[d.pos] == '0':
		d.pos++
	case !digits():
		return nil, d.fail("a digit should follow the minus sign")
	}
	exponent := 0 // digits of it
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		d.pos++
		if !digits() {
			return nil, d.fail("a digit should follow the decimal point")
		}
	}
	if d.pos < len(d.data) && (d.data[d.pos] == 'e' || d.data[d.pos] == 'E') {
		if d.pos++; d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		from := d.pos
		if !digits() {
			return nil, d.fail("a digit should follow the exponent sign")
		}
		exponent = d.pos - from
	}
	number := d.data[start:d.pos]
	// Decoders differ in what they make of an exponent of many digits, even where the number is zero.
	if exponent > maxExponent {
		d.pos = start
		return nil, d.fail("a number is out of range")
	}
	// Only an exponent or some 300 digits can leave the range of a float64.
	if exponent > 0 || len(number) > 300 {
		if f, err := strconv.ParseFloat(string(number), 64); err != nil || math.IsInf(f, 0) {
			d.pos = start
			return nil, d.fail("a number is out of range")
		}
	}
	return number, nil
}

// text reads a string whose opening quote is at pos.
func (d *Decoder) text() ([]byte, error) {
	d.pos++
	start, ascii := d.pos, true
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			s := d.data[start:d.pos]
			if !ascii && !utf8.Valid(s) {
				return nil, d.fail("a string is not valid UTF-8")
			}
			d.pos++
			return s, nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return nil, d.fail("a control character stands unescaped in a string")
		default:
			ascii = ascii && c < utf8.RuneSelf
			d.pos++
		}
	}
	return nil, d.fail("the document ends inside a string")
}
