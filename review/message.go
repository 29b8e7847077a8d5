package review

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxMessage bounds a finding's message in bytes: policy authors write sentences, and what is longer is an object that was
// printed by mistake, secrets and all.
const MaxMessage = 1024

// maxRefusal bounds the text of a refusal. The API server passes it on whole; kubectl prints it, and events keep 1 KiB of it.
const maxRefusal = 16 << 10

// Sentence returns text fit for a user's terminal and an auditor's log: on one line, without control characters, valid UTF-8,
// and at most limit bytes long.
func Sentence(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', unicode.In(r, unicode.Zl, unicode.Zp):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Noncharacter_Code_Point):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	clean = strings.TrimSpace(clean)
	if len(clean) <= limit {
		return clean
	}
	cut := max(limit-len("…"), 0)
	for cut > 0 && !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return clean[:cut] + "…"
}

// Say makes Message of what a policy says: a sentence of it, and that there is no reason where it says nothing.
func (f *Finding) Say(text string) {
	if f.Message = Sentence(text, MaxMessage); f.Message == "" {
		f.Message = "refused without a reason"
	}
	if f.whole = nil; f.Message != text {
		whole := text // which is allocated only where it is needed
		f.whole = &whole
	}
}

// Said is what Say was given, with all its lines and however long it is, as tests of policies see it. It is not fit for a terminal.
func (f Finding) Said() string {
	if f.whole != nil {
		return *f.whole
	}
	return f.Message
}

// Introduce puts words in front of Message, and of what was Said.
func (f *Finding) Introduce(words string) {
	message, whole := f.Message, f.Said()
	f.Message = Sentence(words+message, MaxMessage)
	if f.whole = nil; f.Message != words+whole {
		whole = words + whole
		f.whole = &whole
	}
}

// String is the finding as users read it: "pods.privileged: container "app" is privileged (spec.containers[0])". That of an excepted
// one ends with the exception: "(excepted by prod/legacy-agent until 2027-01-31: it goes in spring)".
func (f Finding) String() string {
	out := f.Policy + ": " + f.Message
	if f.Field != "" && !strings.Contains(f.Message, f.Field) {
		out += " (" + f.Field + ")"
	}
	if e := f.Exception; e != nil {
		out += fmt.Sprintf(" (excepted by %s until %s: %s)", e.Name, e.Expires.UTC().Format(time.DateOnly), e.Reason)
	}
	return out
}

// Refusal is the one message in which a user reads every finding that refuses the request, in policy order. It is empty when
// none does.
func (d Decision) Refusal() string {
	var lines []string
	for _, f := range d.Findings {
		if f.Effect == EffectDeny {
			lines = append(lines, f.String())
		}
	}
	switch len(lines) {
	case 0:
		return ""
	case 1:
		return lines[0]
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d reasons:", len(lines))
	for i, line := range lines {
		if out.Len()+len(line) > maxRefusal {
			fmt.Fprintf(&out, "\n- and %d more", len(lines)-i)
			break
		}
		out.WriteString("\n- " + line)
	}
	return out.String()
}

// maxWarning and maxWarnings follow the API server, which cuts each warning at 256 runes once all of them together, those of others too, exceed
// 4,096. As long as ours are half of that they are told whole; else each is short enough not to be cut.
const (
	maxWarning  = 240
	maxWarnings = 4096 - 64
	wholeUpTo   = maxWarnings / 2
)

// Warnings are the findings that warn, one line each, as short as the API server demands.
func (d Decision) Warnings() []string {
	var lines []string
	total := 0
	for _, f := range d.Findings {
		if f.Effect == EffectWarn {
			line := Sentence(f.String(), MaxMessage)
			total += len(line)
			lines = append(lines, line)
		}
	}
	if total <= wholeUpTo {
		return lines
	}
	total = 0
	for i, line := range lines {
		lines[i] = Sentence(line, maxWarning)
		if total += len(lines[i]); total > maxWarnings {
			return append(lines[:i], "portcullis: there are more warnings than fit here")
		}
	}
	return lines
}
