package replay

import (
	"fmt"
	"strings"
)

// would is what a kind of change is called after "would be".
func (k Kind) would() string {
	switch k {
	case Denied:
		return "denied that were let through"
	case Allowed:
		return "let through that were denied"
	case Patched:
		return "changed in another way"
	case Warned:
		return "warned of that were not"
	default:
		return "warned of no more"
	}
}

// Sums says in a sentence what became of all that was read.
func (r *Report) Sums() string {
	out := fmt.Sprintf("%s replayed: %d newly denied, %d newly allowed, %d patched differently, %d newly warned of, %d warned of no more; %d unchanged",
		number(r.Replayed, "request"), r.Changed[Denied], r.Changed[Allowed], r.Changed[Patched], r.Changed[Warned], r.Changed[Unwarned], r.Same)
	if n := r.Unsayable(); n > 0 {
		out += fmt.Sprintf("; of %d it could not be said", n)
	}
	if n := r.NothingToAsk(); n > 0 {
		out += fmt.Sprintf("; %d hold nothing to ask", n)
	}
	return out
}

// Remarks are what to know about the sums, a sentence each: what could not be said, and why, and what the log does not have.
func (r *Report) Remarks() (out []string) {
	for _, reason := range r.Unsaid {
		out = append(out, fmt.Sprintf("could not say, %s: %s", number(reason.Count, "time"), reason.text()))
	}
	if r.Lost > 0 {
		out = append(out, fmt.Sprintf("the log says that there is no record of %d more answers", r.Lost))
	}
	if r.Sampled > 0 {
		out = append(out, fmt.Sprintf("of the requests that were asked again, %d stand for several each, of which the log keeps a sample; how many that makes is said as ~", r.Sampled))
	}
	return out
}

func (r Reason) text() string {
	text := r.Why
	if r.Policy != "" {
		text = r.Policy + ": " + text
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return fmt.Sprintf("%s (first at %s)", text, r.First)
}

// String is the place as compilers name one.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// requests says how many there are in the group.
func (g Group) requests() string {
	out := number(g.Count, "request")
	if g.Estimated > 0 {
		out += fmt.Sprintf(" (~%d)", g.Estimated)
	}
	return out
}

// names lists names with their counts; what has none is called nameless.
func names(list []Count, more int, nameless string) string {
	var out []string
	for _, c := range list {
		name := c.Name
		if name == "" {
			name = nameless
		}
		out = append(out, fmt.Sprintf("%s (%d)", name, c.Count))
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// policy is whose doing it is.
func (g Group) policy() string {
	switch {
	case g.Policy != "":
		return g.Policy
	case g.Kind == Patched:
		return "(mutations)"
	}
	return "(not recorded)"
}

// when is when the example was asked.
func (e Example) when() string {
	if e.At.IsZero() {
		return "at an unknown time"
	}
	return e.At.UTC().Format("2006-01-02T15:04:05Z")
}
