package browser

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is wrong with a page is seen; otherwise nothing that is found right would mean anything.
func TestWhatIsWrongIsSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(`<!doctype html><title>wrong</title><img src="missing.png"><p style="color:#ccc;background:#fff">pale</p>
<div style="width:900px">wide</div><p class="a">one</p><p class="a" hidden>two</p><script>alert("ran"); throw new Error("thrown")</script>`), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := LookT(t, "../..", View{URL: "file://" + file, Width: 360, Scheme: "light", Visible: []string{".a"}, Print: true})[0]
	if seen.Title != "wrong" || seen.Visible[".a"] != 1 || seen.Pages != 1 {
		t.Errorf("%+v", seen)
	}
	if len(seen.Requests) != 1 || !strings.HasSuffix(seen.Requests[0], "missing.png") || len(seen.Overflow) == 0 {
		t.Errorf("%+v", seen)
	}
	for _, want := range []string{"dialog: ran", "error: thrown"} {
		if !slices.Contains(seen.Complaints, want) {
			t.Errorf("%q is not among %q", want, seen.Complaints)
		}
	}
	for _, want := range []string{"color-contrast", "image-alt", "html-has-lang"} {
		if !slices.ContainsFunc(seen.Axe, func(v Violation) bool { return v.ID == want && (v.Impact == "serious" || v.Impact == "critical") }) {
			t.Errorf("%s is not among %+v", want, seen.Axe)
		}
	}
}
