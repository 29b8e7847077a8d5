package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// template is a JSON text with holes that are filled differently for every number. Making 13 kB of JSON from Go values for every
// request would take the generator longer than the server may take to judge it; filling holes takes microseconds.
//
// A hole is written @KEY.KIND@ inside a JSON string: KIND h8 is eight hexadecimal digits, d3 three decimal ones, and i, which must be
// the whole string, becomes a number of five digits without quotes. Holes with the same key get the same value.
type template struct {
	parts [][]byte
	holes []hole // one after each part but the last
	size  int    // of a filled text, nearly
}

type hole struct {
	key   uint64
	kind  byte // 'h', 'd' or 'i'
	width int
}

// newTemplate encodes value and finds its holes.
func newTemplate(value any) (*template, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode a template: %w", err)
	}
	return parseTemplate(text)
}

func parseTemplate(text []byte) (*template, error) {
	pattern, err := regexp.Compile(`"@([a-z0-9]+)\.(i)()@"|@([a-z0-9]+)\.([hd])([0-9]+)@`)
	if err != nil {
		return nil, err
	}
	t := &template{size: len(text)}
	from := 0
	for _, at := range pattern.FindAllSubmatchIndex(text, -1) {
		group := 2 // the first alternative's
		if at[group] < 0 {
			group = 8
		}
		h := hole{kind: text[at[group+2]], width: 5, key: hash(text[at[group]:at[group+1]])}
		if h.kind != 'i' {
			if h.width, err = strconv.Atoi(string(text[at[group+4]:at[group+5]])); err != nil {
				return nil, fmt.Errorf("a hole of a template: %w", err)
			}
		}
		t.parts = append(t.parts, text[from:at[0]])
		t.holes = append(t.holes, h)
		t.size += h.width
		from = at[1]
	}
	t.parts = append(t.parts, text[from:])
	return t, nil
}

// fill appends the text for number to out.
func (t *template) fill(out []byte, number uint64) []byte {
	for i, h := range t.holes {
		out = append(out, t.parts[i]...)
		out = h.fill(out, number)
	}
	return append(out, t.parts[len(t.parts)-1]...)
}

func (h hole) fill(out []byte, number uint64) []byte {
	bits := mix(number ^ h.key)
	if h.kind == 'i' {
		return strconv.AppendUint(out, 10_000+bits%50_000, 10) // a user or group id that is neither root nor a special one
	}
	base := uint64(16)
	if h.kind == 'd' {
		base = 10
	}
	const digits = "0123456789abcdef"
	left := bits
	for i := range h.width {
		if i%16 == 15 { // the 64 bits are used up
			bits = mix(bits)
			left = bits
		}
		out = append(out, digits[left%base])
		left /= base
	}
	return out
}

// texts are templates of things of one kind but different shapes; numbers take turns with them.
type texts []*template

// text returns what number comes to.
func (t texts) text(number uint64) []byte {
	one := t[number%uint64(len(t))]
	return one.fill(make([]byte, 0, one.size), number)
}

// mix is the finisher of SplitMix64: it makes an unpredictable number of each, and never the same of two.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash is FNV-1a.
func hash(text []byte) uint64 {
	sum := uint64(0xcbf29ce484222325)
	for _, b := range text {
		sum = (sum ^ uint64(b)) * 0x100000001b3
	}
	return sum
}
