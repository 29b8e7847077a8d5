package registration

import (
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// maxGlobs bounds what one condition names. A condition only spares calls, and the API server reads each with every request: a few hundred
// names are as much as is worth reading.
const maxGlobs = 200

// pattern is a name with at most one asterisk at its start and one at its end, taken apart.
type pattern struct {
	text       string
	start, end bool // whether something may stand before, or after
}

func parse(glob string) pattern {
	p := pattern{text: glob}
	p.text, p.end = strings.CutSuffix(p.text, all)
	p.text, p.start = strings.CutPrefix(p.text, all)
	if p.text == "" && p.end {
		p.start = false // "*": any name, which any start of a name covers
	}
	return p
}

func (p pattern) matches(name string) bool {
	switch {
	case name == "":
		return false
	case p.start && p.end:
		return strings.Contains(name, p.text)
	case p.end:
		return strings.HasPrefix(name, p.text)
	case p.start:
		return strings.HasSuffix(name, p.text)
	}
	return name == p.text
}

// covers reports whether p matches whatever q does.
func (p pattern) covers(q pattern) bool {
	switch {
	case p.text == "" && p.end, p == q:
		return true
	case p.start && p.end:
		return strings.Contains(q.text, p.text)
	case p.end:
		return !q.start && strings.HasPrefix(q.text, p.text)
	case p.start:
		return !q.end && strings.HasSuffix(q.text, p.text)
	}
	return false
}

// disjoint reports whether certainly no name matches both.
func (p pattern) disjoint(q pattern) bool {
	if p.covers(q) || q.covers(p) {
		return false
	}
	exact := func(p pattern) bool { return !p.start && !p.end }
	startsWith := func(p pattern) bool { return !p.start && p.end }
	endsWith := func(p pattern) bool { return p.start && !p.end }
	return exact(p) || exact(q) || startsWith(p) && startsWith(q) || endsWith(p) && endsWith(q)
}

func globsCover(globs []string, other string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return parse(g).covers(parse(other)) })
}

// reduceGlobs sorts, and leaves out what others of the list cover.
func reduceGlobs(globs []string) []string {
	globs = slices.Compact(slices.Sorted(slices.Values(globs)))
	return slices.DeleteFunc(slices.Clone(globs), func(g string) bool {
		return slices.ContainsFunc(globs, func(other string) bool { return other != g && globsCover([]string{other}, g) })
	})
}

// meetGlobs returns what two lists have in common, nil standing for anything; ok is false when that is nothing. Where a name may match
// both of two patterns neither of which covers the other, it returns the first: too much rather than too little.
func meetGlobs(a, b []string) (out []string, ok bool) {
	switch {
	case len(a) == 0:
		return b, true
	case len(b) == 0:
		return a, true
	}
	for _, x := range a {
		for _, y := range b {
			switch p, q := parse(x), parse(y); {
			case p.disjoint(q):
			case p.covers(q):
				out = append(out, y)
			default:
				out = append(out, x)
			}
		}
	}
	return reduceGlobs(out), len(out) > 0
}

// inNamespaces is the condition that a request concerns one of the namespaces: is in it or, if it is about a Namespace, is about that one.
// A Namespace has its own name for a namespace, but not when the API server is yet to make up the name.
func inNamespaces(globs []string) admissionregistrationv1.MatchCondition {
	var exact, starts, ends, contains []string
	for _, glob := range globs {
		switch p := parse(glob); {
		case p.start && p.end:
			contains = append(contains, p.text)
		case p.end:
			starts = append(starts, p.text)
		case p.start:
			ends = append(ends, p.text)
		default:
			exact = append(exact, p.text)
		}
	}
	var tests []string
	if len(exact) > 0 {
		tests = append(tests, "n in "+list(exact))
	}
	for _, test := range []struct {
		function string
		texts    []string
	}{{"startsWith", starts}, {"endsWith", ends}, {"contains", contains}} {
		if len(test.texts) > 0 {
			tests = append(tests, list(test.texts)+".exists(t, n."+test.function+"(t))")
		}
	}
	return admissionregistrationv1.MatchCondition{
		Name: "in-namespaces-of-policies",
		Expression: `[has(request.namespace) ? request.namespace : request.resource.resource == "namespaces" && has(request.name) ? ` +
			`request.name : ""].exists(n, n != "" && (` + strings.Join(tests, " || ") + `))`,
	}
}

// quote spells a string for CEL, whose escapes are Go's.
func quote(text string) string { return strconv.QuoteToASCII(text) }
