package review

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSentence(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		limit            int
	}{
		{"as it is", "the image has no digest", "the image has no digest", 100},
		{"on one line", "a\nb\r\nc\td", "a b  c d", 100},
		{"other ends of line", "a\u2028b\u2029c", "a b c", 100},
		{"without space around it", "  a b \n", "a b", 100},
		{"without control characters", "a\x00b\x1b[31mc\x7fd\u0085e", "ab[31mcde", 100},
		{"without what turns the text round", "user\u202egnp.exe\u2066\u200b", "usergnp.exe", 100},
		{"valid UTF-8", "a\xff\xfeb", "a\uFFFDb", 100},
		{"exactly the limit", "0123456789", "0123456789", 10},
		{"one more", "0123456789a", "0123456…", 10},
		{"not cut within a character", "ééééé", "ééé…", 9},
		{"nor one of four bytes", "😀😀😀", "😀…", 10},
		{"no room for anything", "abcdef", "…", 3},
		{"empty", "", "", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Sentence(c.text, c.limit); got != c.want {
				t.Errorf("Sentence(%q, %d) is %q, want %q", c.text, c.limit, got, c.want)
			}
		})
	}
}

func TestASentenceFitsOnOneLineOfTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		limit := rapid.IntRange(len("…"), 64).Draw(t, "limit")
		got := Sentence(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || got != strings.TrimSpace(got) {
			t.Fatalf("%q", got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }); i >= 0 {
			t.Fatalf("%q has %q", got, got[i:])
		}
		if Sentence(got, limit) != got {
			t.Fatalf("%q becomes %q the second time", got, Sentence(got, limit))
		}
	})
}

func TestAFindingIsReadWithItsPolicyAndItsField(t *testing.T) {
	for _, c := range []struct {
		finding Finding
		want    string
	}{
		{Finding{Policy: "pods.privileged", Message: `container "app" is privileged`}, `pods.privileged: container "app" is privileged`},
		{Finding{Policy: "a", Message: "no", Field: "spec.x"}, "a: no (spec.x)"},
		{Finding{Policy: "a", Message: "spec.x is wrong", Field: "spec.x"}, "a: spec.x is wrong"},
	} {
		if got := c.finding.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func findingsOf(n int, effect Effect, message string) (out []Finding) {
	for i := range n {
		out = append(out, Finding{Policy: fmt.Sprintf("p%d", i), Effect: effect, Message: message})
	}
	return out
}

func TestAFindingKnowsAllThatWasSaid(t *testing.T) {
	long := strings.Repeat("x", MaxMessage+1)
	for text, message := range map[string]string{
		"a sentence": "a sentence",
		"two\nlines": "two lines",
		long:         long[:MaxMessage-3] + "…",
		"":           "refused without a reason",
		" ":          "refused without a reason",
	} {
		f := Finding{Message: "before"}
		f.Say("more\nbefore")
		f.Say(text)
		if f.Message != message || f.Said() != text {
			t.Errorf("of %q the message is %q, and what was said %q", text, f.Message, f.Said())
		}
		f.Introduce("[a] ")
		if want := Sentence("[a] "+message, MaxMessage); f.Message != want || f.Said() != "[a] "+text {
			t.Errorf("of %q, introduced, the message is %q, and what was said %q", text, f.Message, f.Said())
		}
	}
	if f := (Finding{Message: "by itself"}); f.Said() != "by itself" {
		t.Errorf("said %q", f.Said())
	}
}

func TestARefusalHasEveryReasonInOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		findings []Finding
		want     string
	}{
		{"none", nil, ""},
		{"none that refuses", findingsOf(2, EffectWarn, "hm"), ""},
		{"one", append(findingsOf(1, EffectWarn, "hm"), Finding{Policy: "a", Effect: EffectDeny, Message: "no", Field: "spec"}), "a: no (spec)"},
		{
			"several",
			[]Finding{{Policy: "b", Effect: EffectDeny, Message: "no"}, {Policy: "x", Effect: EffectAudit, Message: "hm"}, {Policy: "a", Effect: EffectDeny, Message: "never"}},
			"2 reasons:\n- b: no\n- a: never",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (Decision{Findings: c.findings}).Refusal(); got != c.want {
				t.Errorf("the refusal is %q, want %q", got, c.want)
			}
		})
	}
}

func TestARefusalIsBounded(t *testing.T) {
	d := Decision{Findings: findingsOf(100, EffectDeny, strings.Repeat("x", MaxMessage))}
	got := d.Refusal()
	lines := strings.Split(got, "\n")
	shown := len(lines) - 2
	if lines[0] != "100 reasons:" || lines[len(lines)-1] != fmt.Sprintf("- and %d more", 100-shown) || shown < 10 {
		t.Errorf("of 100 reasons %d are shown, between %q and %q", shown, lines[0], lines[len(lines)-1])
	}
	if len(got) > maxRefusal+100 {
		t.Errorf("the refusal has %d bytes", len(got))
	}
	// One that just fits is whole.
	d.Findings = d.Findings[:shown]
	if whole := d.Refusal(); strings.Contains(whole, "more") || strings.Count(whole, "\n- ") != shown {
		t.Errorf("%d reasons became %q", shown, whole)
	}
}

func TestWarningsAreAsShortAsTheAPIServerDemands(t *testing.T) {
	cut := func(whose string) string {
		return whose + strings.Repeat("x", maxWarning-len(whose)-len("…")) + "…"
	}
	for _, c := range []struct {
		name     string
		findings []Finding
		want     []string
	}{
		{"none", findingsOf(3, EffectDeny, "no"), nil},
		{"those that warn, in order", append(findingsOf(2, EffectWarn, "mind\nthis"), findingsOf(1, EffectAudit, "hm")...), []string{"p0: mind this", "p1: mind this"}},
		{"a long one is whole", findingsOf(1, EffectWarn, strings.Repeat("x", 500)), []string{"p0: " + strings.Repeat("x", 500)}},
		{
			"many long ones are cut", findingsOf(9, EffectWarn, strings.Repeat("x", 500)),
			[]string{cut("p0: "), cut("p1: "), cut("p2: "), cut("p3: "), cut("p4: "), cut("p5: "), cut("p6: "), cut("p7: "), cut("p8: ")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (Decision{Findings: c.findings}).Warnings(); strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("the warnings are %q, want %q", got, c.want)
			}
		})
	}
	for _, letter := range []string{"x", "é"} {
		many := Decision{Findings: findingsOf(1000, EffectWarn, strings.Repeat(letter, 300))}.Warnings()
		total := 0
		for _, w := range many {
			total += utf8.RuneCountInString(w)
		}
		if last := many[len(many)-1]; last != "portcullis: there are more warnings than fit here" {
			t.Errorf("the last warning is %q", last)
		}
		if len(many) < 10 || total > 4096 {
			t.Errorf("%d warnings have %d characters", len(many), total)
		}
	}
}

func TestADecisionIsFaultyWhenOnlyFaultsRefuse(t *testing.T) {
	deny, fault := Finding{Effect: EffectDeny}, Finding{Effect: EffectDeny, Fault: true}
	for _, c := range []struct {
		findings []Finding
		want     bool
	}{
		{nil, false},
		{[]Finding{deny}, false},
		{[]Finding{fault}, true},
		{[]Finding{fault, deny}, false},
		{[]Finding{deny, fault}, false},
		{[]Finding{fault, {Effect: EffectWarn}}, true},
		{[]Finding{{Effect: EffectWarn, Fault: true}, {Effect: EffectAudit, Fault: true}}, false},
	} {
		if got := (Decision{Findings: c.findings}).Faulty(); got != c.want {
			t.Errorf("%+v: %v", c.findings, got)
		}
	}
}

func TestVerdictsAreSpelled(t *testing.T) {
	for verdict, want := range map[Verdict]string{Deny: "deny", Allow: "allow", NoOpinion: "no-opinion", 7: "deny"} {
		text, err := verdict.MarshalText()
		if verdict.String() != want || string(text) != want || err != nil {
			t.Errorf("%d is %q %q %v", verdict, verdict, text, err)
		}
	}
	if (Decision{}).Verdict != Deny {
		t.Error("an answer nobody filled in should refuse")
	}
}
