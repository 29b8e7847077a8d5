package match

import "strings"

// Wildcard is a name that may begin and end with an asterisk: "a", "a-*", "*-a", "*a*".
type Wildcard string

// Covers reports whether the wildcard stands for the name.
func (w Wildcard) Covers(name string) bool {
	text := string(w)
	prefix, suffix := strings.HasSuffix(text, "*"), strings.HasPrefix(text, "*")
	switch {
	case prefix && suffix:
		return strings.Contains(name, strings.TrimSuffix(strings.TrimPrefix(text, "*"), "*"))
	case suffix:
		return strings.HasSuffix(name, text[1:])
	case prefix:
		return strings.HasPrefix(name, text[:len(text)-1])
	}
	return text == name
}

// coversBeginning reports whether the wildcard stands for every name that is made of generateName. How such a name ends nobody knows yet.
func (w Wildcard) coversBeginning(generateName string) bool {
	return strings.HasSuffix(string(w), "*") && w.Covers(generateName)
}

// Valid reports whether Gatekeeper's schema takes the wildcard: ^\*?[-:a-z0-9]*\*?$
func (w Wildcard) Valid() bool {
	middle := strings.TrimSuffix(strings.TrimPrefix(string(w), "*"), "*")
	return !strings.ContainsFunc(middle, func(r rune) bool {
		return r != '-' && r != ':' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func anyCovers(cards []Wildcard, name string) bool {
	for _, card := range cards {
		if card.Covers(name) {
			return true
		}
	}
	return false
}
