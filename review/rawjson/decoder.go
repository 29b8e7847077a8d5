// Package rawjson reads JSON strictly, in one pass and without building what nobody asked for.
//
// A review carries objects of up to several megabytes of which most requests need a handful of fields, so the standard
// library's choice between "decode everything" and "validate, then decode again" is too dear here. A Decoder walks the
// bytes once: the caller pulls out the members it wants and skips the rest, and both ways the same rules hold, because two
// readers that understand one document differently are how a policy is bypassed:
//
//   - the text is RFC 8259 JSON in valid UTF-8, escapes included, and nothing but white space follows it;
//   - no object has two members of one name;
//   - nothing nests deeper than MaxDepth;
//   - every number fits a finite float64, as the API server's own decoder demands.
package rawjson

import (
	"bytes"
	"fmt"
)

// MaxDepth bounds the nesting of objects and arrays. Kubernetes' deepest built-in type, a CustomResourceDefinition's schema,
// stays below 100 in practice; encoding/json's own bound of 10,000 would let one request hold a goroutine stack of megabytes.
const MaxDepth = 512

// Kind is the type of a JSON value, told by its first byte.
type Kind string

// The kinds of value; Invalid stands for a byte that starts none of them, and for the end of the text.
const (
	Invalid Kind = "nothing"
	Object  Kind = "an object"
	Array   Kind = "an array"
	String  Kind = "a string"
	Number  Kind = "a number"
	Bool    Kind = "a boolean"
	Null    Kind = "null"
)

// Error says what is wrong with a text and at which byte, counted from 0.
type Error struct {
	Offset int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// Decoder reads one JSON text from front to back. It keeps slices of the text it was given, so the text must not change
// while they are in use. A Decoder that returned an error must not be used again. It is not safe for concurrent use.
type Decoder struct {
	data  []byte
	pos   int
	depth int
	keys  [][]byte // the names seen so far in each open object, innermost last
	room  [40][]byte
}

// NewDecoder returns a Decoder at the start of data.
func NewDecoder(data []byte) *Decoder {
	d := &Decoder{data: data}
	d.keys = d.room[:0]
	return d
}

// Check reads data whole and returns what makes it unacceptable, or nil.
func Check(data []byte) error {
	d := NewDecoder(data)
	if _, err := d.Raw(); err != nil {
		return err
	}
	return d.End()
}

func (d *Decoder) fail(reason string, args ...any) error {
	return &Error{Offset: d.pos, Reason: fmt.Sprintf(reason, args...)}
}

func (d *Decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// Kind tells what the next value is, without reading it.
func (d *Decoder) Kind() Kind {
	d.space()
	if d.pos >= len(d.data) {
		return Invalid
	}
	switch c := d.data[d.pos]; {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == '-', '0' <= c && c <= '9':
		return Number
	case c == 't', c == 'f':
		return Bool
	case c == 'n':
		return Null
	}
	return Invalid
}

// End returns an error if anything but white space is left.
func (d *Decoder) End() error {
	d.space()
	if d.pos < len(d.data) {
		return d.fail("something follows the end of the document")
	}
	return nil
}

// Offset is the number of bytes read so far.
func (d *Decoder) Offset() int { return d.pos }

// Expect returns an error unless the next value is of kind k. It reads nothing but white space.
func (d *Decoder) Expect(k Kind) error {
	got := d.Kind()
	if got == k {
		return nil
	}
	if got == Invalid {
		if d.pos >= len(d.data) {
			return d.fail("the document ends where %s should stand", k)
		}
		return d.fail("unexpected character %q", d.data[d.pos])
	}
	return d.fail("%s should stand here, not %s", k, got)
}

func (d *Decoder) enter() error {
	if d.depth++; d.depth > MaxDepth {
		return d.fail("more than %d levels of nesting", MaxDepth)
	}
	d.pos++
	return nil
}

// Object reads an object. It calls member with each name, in order; member must read the value that follows, with any of
// the Decoder's methods. The name is valid until member returns.
func (d *Decoder) Object(member func(name []byte) error) error {
	if err := d.Expect(Object); err != nil {
		return err
	}
	if err := d.enter(); err != nil {
		return err
	}
	first, base := true, len(d.keys)
	var many map[string]struct{}
	for {
		more, err := d.next('}', first)
		if err != nil {
			return err
		}
		if !more {
			d.keys = d.keys[:base]
			return nil
		}
		first = false
		var name []byte
		if name, many, err = d.name(base, many); err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
}

// Array reads an array, calling element before each one; element must read it.
func (d *Decoder) Array(element func() error) error {
	if err := d.Expect(Array); err != nil {
		return err
	}
	if err := d.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := d.next(']', first)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// next moves to the next member or element, or past the closing byte.
func (d *Decoder) next(closing byte, first bool) (bool, error) {
	d.space()
	if d.pos >= len(d.data) {
		return false, d.fail("the document ends inside a value that %q should close", closing)
	}
	c := d.data[d.pos]
	if c == closing {
		d.pos++
		d.depth--
		return false, nil
	}
	if first {
		return true, nil
	}
	if c != ',' {
		return false, d.fail("unexpected character %q where a comma or %q should stand", c, closing)
	}
	d.pos++
	return true, nil
}

// linear is the number of names up to which comparing with each beats a map.
const linear = 24

// name reads a member's name and its colon, and refuses one already seen in the same object: among the keys from base on, or in many
// where there are many. It returns many as it is then.
func (d *Decoder) name(base int, many map[string]struct{}) ([]byte, map[string]struct{}, error) {
	if err := d.Expect(String); err != nil {
		return nil, nil, err
	}
	start := d.pos
	name, err := d.text()
	if err != nil {
		return nil, nil, err
	}
	if many == nil && len(d.keys)-base == linear {
		many = make(map[string]struct{}, 4*linear)
		for _, seen := range d.keys[base:] {
			many[string(seen)] = struct{}{}
		}
	}
	twice := false
	if many != nil {
		_, twice = many[string(name)]
		many[string(name)] = struct{}{}
	} else {
		for _, seen := range d.keys[base:] {
			if bytes.Equal(seen, name) {
				twice = true
				break
			}
		}
		d.keys = append(d.keys, name)
	}
	if twice {
		d.pos = start
		return nil, nil, d.fail("the member %q stands twice in one object", name)
	}
	d.space()
	if d.pos >= len(d.data) || d.data[d.pos] != ':' {
		return nil, nil, d.fail("a colon should follow the member name %q", name)
	}
	d.pos++
	return name, many, nil
}

// Raw reads any value and returns its bytes, a slice of the text.
func (d *Decoder) Raw() ([]byte, error) {
	d.space()
	start := d.pos
	if err := d.skip(); err != nil {
		return nil, err
	}
	return d.data[start:d.pos], nil
}

// Skip reads any value and forgets it.
func (d *Decoder) Skip() error { return d.skip() }

// skip is Object and Array without their callbacks, which would cost a closure a level.
func (d *Decoder) skip() error {
	switch kind := d.Kind(); kind {
	case Object, Array:
		if err := d.enter(); err != nil {
			return err
		}
		closing := byte(']')
		if kind == Object {
			closing = '}'
		}
		base := len(d.keys)
		var many map[string]struct{}
		for first := true; ; first = false {
			more, err := d.next(closing, first)
			if err != nil {
				return err
			}
			if !more {
				d.keys = d.keys[:base]
				return nil
			}
			if kind == Object {
				if _, many, err = d.name(base, many); err != nil {
					return err
				}
			}
			if err := d.skip(); err != nil {
				return err
			}
		}
	case String:
		_, err := d.text()
		return err
	case Number:
		_, err := d.Number()
		return err
	case Bool:
		_, err := d.Bool()
		return err
	case Null:
		return d.Null()
	default:
		return d.Expect(Object)
	}
}
