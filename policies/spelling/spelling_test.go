package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"match", "match"},
		{"Match", "match"},
		{"mathc", "match"},
		{"matches", "match"},
		{"mat", "match"},
		{"ma", ""},
		{"catches", ""},
		{"us", "use"},
		{"sue", "use"},
		{"ref", ""},
		{"", ""},
		{strings.Repeat("match", 100), ""},
	} {
		if got := Nearest(c.text, "match", "use"); got != c.want {
			t.Errorf("%q is near to %q, want %q", c.text, got, c.want)
		}
	}
	if got := Nearest("match"); got != "" {
		t.Errorf("%q is near to nothing", got)
	}
}
