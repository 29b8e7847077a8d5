// Package browser opens pages in a real Chromium, for tests: what they ask for, what a script of theirs does, what reaches out of them, and what
// axe-core says of them for people who do not see, hear or point. `make browser` installs what it needs but Chromium itself.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// View is one look at a page.
type View struct {
	URL            string            `json:"url"`
	Width          int               `json:"width"`                    // in pixels; 360 is a phone
	Scheme         string            `json:"scheme"`                   // "light" or "dark"
	WithoutScripts bool              `json:"withoutScripts,omitempty"` // JavaScript is off; then neither axe nor overflow is known
	Headers        map[string]string `json:"headers,omitempty"`        // sent with every request
	Visible        []string          `json:"visible,omitempty"`        // selectors of which the elements that are seen are counted
	Screenshot     string            `json:"screenshot,omitempty"`     // file for a PNG of the whole page
	Print          bool              `json:"print,omitempty"`          // whether the page is printed
	PDF            string            `json:"pdf,omitempty"`            // file for what is printed
}

// Seen is what was seen of a View.
type Seen struct {
	URL        string         `json:"url"`
	Status     int            `json:"status"` // of HTTP; 0 of a file
	Title      string         `json:"title"`
	Requests   []string       `json:"requests"`   // other than for the page itself
	Complaints []string       `json:"complaints"` // of the console, errors, dialogs
	Visible    map[string]int `json:"visible"`
	Overflow   []string       `json:"overflow"` // what reaches out of the page to the right
	Axe        []Violation    `json:"axe"`
	Pages      int            `json:"pages"` // printed
}

// Violation is something axe-core finds wrong.
type Violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"` // "minor", "moderate", "serious" or "critical"
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

// patience is how long one view may take: the first starts a browser, which on a busy machine takes seconds.
const patience = 2 * time.Minute

// LookT looks at pages, one after the other, in a browser of its own. Without a browser the test is skipped, but on CI, where it fails. root is that of
// the repository.
func LookT(t *testing.T, root string, views ...View) []Seen {
	t.Helper()
	chromium, dir := "", filepath.Join(root, "test", "browser")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && chromium == "" {
			chromium = path
		}
	}
	_, lacking := os.Stat(filepath.Join(dir, "node_modules"))
	if chromium == "" || lacking != nil {
		missing := "there is no browser; install chromium, and run `make browser`"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	seen, err := look(t.Context(), dir, chromium, views)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func look(ctx context.Context, dir, chromium string, views []View) ([]Seen, error) {
	job, err := json.Marshal(map[string]any{"chromium": chromium, "views": views})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(views))*patience)
	defer cancel()
	command := exec.CommandContext(ctx, "node", "open.mjs")
	command.Dir, command.Stdin = dir, bytes.NewReader(job)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("open pages: %w\n%s", err, complaints.String())
	}
	var seen []Seen
	if err := json.Unmarshal(out, &seen); err != nil {
		return nil, fmt.Errorf("what was seen: %w", err)
	}
	return seen, nil
}

// SoundT fails a test for whatever is wrong with what was seen of a page that has no scripts and stands for itself.
func SoundT(t *testing.T, seen Seen) {
	t.Helper()
	for _, url := range seen.Requests {
		t.Errorf("%s asks for %s", seen.URL, url)
	}
	for _, complaint := range seen.Complaints {
		t.Errorf("%s: %s", seen.URL, complaint)
	}
	for _, what := range seen.Overflow {
		t.Errorf("%s: out of the page: %s", seen.URL, what)
	}
	for _, v := range seen.Axe {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("%s: axe: %s, %s: %s\n%q", seen.URL, v.Impact, v.ID, v.Help, v.Nodes)
		}
	}
}
