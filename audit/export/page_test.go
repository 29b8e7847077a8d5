package export_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/audit/export"
	"github.com/portcullis-dev/portcullis/test/browser"
)

// The page, as it is and with every hostile text in it, in a real browser: in both colour schemes, on a desk and on a phone, printed. SHOTS=DIR keeps
// pictures, for a person to look at.
func TestThePageInABrowser(t *testing.T) {
	dir, shots := t.TempDir(), os.Getenv("SHOTS")
	page := func(name, text string) string {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + file
	}
	var views []browser.View
	own := page("sample", written(t, sample(), export.HTML, export.Options{}))
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1280, 360} {
			view := browser.View{URL: own, Width: width, Scheme: scheme, Print: true}
			if shots != "" {
				view.Screenshot = filepath.Join(shots, fmt.Sprintf("%s-%d.png", scheme, width))
				view.PDF = filepath.Join(shots, fmt.Sprintf("%s-%d.pdf", scheme, width))
			}
			views = append(views, view)
		}
	}
	for _, name := range []string{"script", "attribute", "style", "comment", "template", "entity", "direction", "long", "unbroken"} {
		text := hostile[name]
		views = append(views, browser.View{URL: page(name, written(t, poisoned(text), export.HTML, export.Options{By: export.ByControl})), Width: 360, Scheme: "light"})
	}
	for _, seen := range browser.LookT(t, "../..", views...) {
		browser.SoundT(t, seen)
		if seen.URL == own && seen.Pages == 0 {
			t.Errorf("%+v is not printed", seen)
		}
	}
}

// At the address of a name the page shows the results of that name alone, without a script.
func TestAddressesShowResultsOfANameAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(written(t, sample(), export.HTML, export.Options{By: export.ByControl})), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]int{
		"":                        {".finding": 8, ".group": 7, ".only": 0},
		"#outcome-fail":           {".finding": 4, ".group": 4, ".only": 1},
		"#severity-critical":      {".finding": 3, ".group": 3, ".only": 1},
		"#namespace-storage":      {".finding": 2, ".group": 2, ".only": 1},
		"#policy-roles-wildcards": {".finding": 1, ".group": 1, ".only": 1},
		"#control-cis-1-9-5-2-12": {".finding": 2, ".group": 2, ".only": 1},
		"#results":                {".finding": 8, ".group": 7, ".only": 0},
	}
	var views []browser.View
	for address := range want {
		views = append(views, browser.View{
			URL: "file://" + file + address, Width: 800, Scheme: "light", WithoutScripts: true, Visible: []string{".finding", ".group", ".only"},
		})
	}
	for _, seen := range browser.LookT(t, "../..", views...) {
		for selector, n := range want[seen.URL[len("file://"+file):]] {
			if seen.Visible[selector] != n {
				t.Errorf("%s shows %d of %s, want %d", seen.URL, seen.Visible[selector], selector, n)
			}
		}
	}
}
