package export

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible is text on one line, in which nothing acts on who shows it: white space is a space, and what cannot be seen, as the escapes of terminals
// and the marks that turn the direction of writing, is spelt out.
func visible(s string) string {
	if clean(s) {
		return s
	}
	var out strings.Builder
	space := false
	for i, r := range s {
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space && out.Len() > 0 {
			out.WriteByte(' ')
		}
		space = false
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			out.WriteRune(utf8.RuneError) // not UTF-8
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") && !strings.Contains(s, "  ")
}

// printable is JSON in which what cannot be seen is escaped: it is the same value, and no terminal acts on it.
func printable(text []byte) []byte {
	if !strings.ContainsFunc(string(text), unprintable) {
		return text
	}
	var out []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case !unprintable(r):
			out = append(out, text[:n]...)
		case r > 0xffff:
			out = fmt.Appendf(out, "\\u%04x\\u%04x", 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			out = fmt.Appendf(out, "\\u%04x", r)
		}
		text = text[n:]
	}
	return out
}

// unprintable holds of what JSON need not escape and people cannot see.
func unprintable(r rune) bool { return r > '~' && !unicode.IsPrint(r) }

// plural is a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
