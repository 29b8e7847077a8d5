package rawjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped finishes a string that has at least one escape; pos is at its first backslash and start after its quote.
func (d *Decoder) escaped(start int) ([]byte, error) {
	out := append(make([]byte, 0, d.pos-start+32), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return nil, d.fail("a string is not valid UTF-8")
			}
			d.pos++
			return out, nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
		case c < ' ':
			return nil, d.fail("a control character stands unescaped in a string")
		default:
			out = append(out, c)
			d.pos++
		}
	}
	return nil, d.fail("the document ends inside a string")
}

// escape reads one escape sequence, both halves of a surrogate pair included. A half alone is refused: every decoder makes
// something else of it.
func (d *Decoder) escape() (rune, error) {
	if d.pos+1 >= len(d.data) {
		return 0, d.fail("the document ends inside a string")
	}
	d.pos += 2
	switch c := d.data[d.pos-1]; c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		first, err := d.hex()
		if err != nil || !utf16.IsSurrogate(first) {
			return first, err
		}
		if d.pos+1 < len(d.data) && d.data[d.pos] == '\\' && d.data[d.pos+1] == 'u' {
			d.pos += 2
			second, err := d.hex()
			if err != nil {
				return 0, err
			}
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, nil
			}
		}
		return 0, d.fail("half of a surrogate pair stands alone in a string")
	default:
		return 0, d.fail("unknown escape %q in a string", "\\"+string(rune(c)))
	}
}

func (d *Decoder) hex() (rune, error) {
	if d.pos+4 > len(d.data) {
		return 0, d.fail("the document ends inside a string")
	}
	n, err := strconv.ParseUint(string(d.data[d.pos:d.pos+4]), 16, 16)
	if err != nil {
		return 0, d.fail("four hexadecimal digits should follow \\u")
	}
	d.pos += 4
	return rune(n), nil
}
