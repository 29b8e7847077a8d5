package suite

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// answer is what came of the question of a case.
type answer struct {
	findings []review.Finding
	verdict  review.Verdict
	identity *review.User
	object   []byte // what mutation made of it; nil where there was none
}

// messages are those of all violations, in order.
func (a answer) messages() []string {
	out := []string{}
	for _, f := range a.findings {
		if violates(f) {
			out = append(out, f.Message)
		}
	}
	return out
}

// violates reports whether a finding is one of something wrong.
func violates(f review.Finding) bool {
	return f.Effect != review.EffectAllow && f.Effect != review.EffectExcepted
}

// expected bounds how many violations there are to be.
type expected struct {
	least, most int
	words       string
}

var errViolations = errors.New(`violations must be yes, no or how many there are, as a number`)

func (a *Assertion) expected() (expected, error) {
	text := strings.TrimSpace(string(a.Violations))
	switch text {
	case "", "null", `"yes"`:
		return expected{1, math.MaxInt, "at least 1 violation"}, nil
	case `"no"`:
		return expected{0, 0, "no violation"}, nil
	}
	var n int32
	if json.Unmarshal(a.Violations, &n) != nil || n < 0 {
		return expected{}, errViolations
	}
	noun := "violations"
	if n == 1 {
		noun = "violation"
	}
	return expected{int(n), int(n), fmt.Sprintf("exactly %d %s", n, noun)}, nil
}

// counts reports whether the assertion says how many violations there are, as it does if it says nothing else.
func (a *Assertion) counts() bool {
	return a.Violations != nil || a.Message != nil || a.Policy != "" || a.Effect != "" || a.Verdict == "" && a.Identity == nil && a.Object == ""
}

// check returns what of an assertion does not hold; nothing if all does. The error says what is wrong with the assertion itself. Object is
// not looked at.
func (a *Assertion) check(got answer) (wrong []Failure, err error) {
	if a.Verdict != "" {
		if !slices.Contains([]string{"deny", "allow", "no-opinion"}, a.Verdict) {
			return nil, fmt.Errorf("the verdict %q is none of deny, allow and no-opinion", a.Verdict)
		}
		if got.verdict.String() != a.Verdict {
			wrong = append(wrong, Failure{a.at, fmt.Sprintf("want the verdict %s, got %s", a.Verdict, got.verdict), got.messages()})
		}
	}
	if a.Identity != nil {
		if differs := a.Identity.differs(got.identity); differs != "" {
			wrong = append(wrong, Failure{At: a.at, Want: differs})
		}
	}
	if a.counts() {
		miscounted, err := a.count(got)
		if err != nil {
			return nil, err
		}
		if miscounted != "" {
			wrong = append(wrong, Failure{a.at, miscounted, got.messages()})
		}
	}
	return wrong, nil
}

// count returns what is wrong with the number of violations, or nothing.
func (a *Assertion) count(got answer) (string, error) {
	want, err := a.expected()
	if err != nil {
		return "", err
	}
	if !slices.Contains([]string{"", "deny", "warn", "audit"}, a.Effect) {
		return "", fmt.Errorf("the effect %q is none of deny, warn and audit", a.Effect)
	}
	var sought *regexp.Regexp
	if a.Message != nil {
		if sought, err = regexp.Compile(*a.Message); err != nil {
			return "", fmt.Errorf("the message is no regular expression: %w", err)
		}
	}
	n := 0
	for _, f := range got.findings {
		if violates(f) && (a.Policy == "" || a.Policy == f.Policy) && (a.Effect == "" || a.Effect == string(f.Effect)) && said(sought, f) {
			n++
		}
	}
	if n >= want.least && n <= want.most {
		return "", nil
	}
	which := ""
	if a.Effect != "" {
		which += " with the effect " + a.Effect
	}
	if a.Policy != "" {
		which += " of " + a.Policy
	}
	if a.Message != nil {
		which += fmt.Sprintf(" whose message matches %q", *a.Message)
	}
	return fmt.Sprintf("want %s%s, got %d", want.words, which, n), nil
}

// said reports whether a finding says what is sought. Of a fault, that is also what the engine says of it.
func said(sought *regexp.Regexp, f review.Finding) bool {
	return sought == nil || sought.MatchString(f.Said()) || f.Fault && sought.MatchString(f.Cause)
}

// differs says how a user differs from the one that is expected, in what that one says; nothing if it does not.
func (u *User) differs(got *review.User) string {
	if got == nil {
		return "want a user, and the token is nobody's"
	}
	for _, member := range []struct {
		name      string
		want, got any
		given     bool
	}{
		{"username", u.Username, got.Username, u.Username != ""},
		{"uid", u.UID, got.UID, u.UID != ""},
		{"groups", u.Groups, got.Groups, u.Groups != nil},
		{"extra", u.Extra, got.Extra, u.Extra != nil},
	} {
		if member.given && !reflect.DeepEqual(member.want, member.got) && fmt.Sprint(member.want) != fmt.Sprint(member.got) {
			return fmt.Sprintf("want the %s %v, got %v", member.name, member.want, member.got)
		}
	}
	return ""
}
