package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/browser"
)

// Every page in a real browser, in both colour schemes, on a desk and on a phone. SHOTS=DIR keeps pictures, for a person to look at.
func TestThePagesInABrowser(t *testing.T) {
	s := newSite(t)
	shots := os.Getenv("SHOTS")
	pages := map[string]string{
		"overview": "/ui/", "violations": "/ui/violations", "by-control": "/ui/violations?by=control&severity=critical", "nothing": "/ui/violations?q=nothing",
		"violation": "/ui/violations/" + s.report.Results[1].ID(), "policies": "/ui/policies", "decisions": "/ui/decisions", "decision": "/ui/decisions/d-patch",
		"refusal": "/ui/decisions/d-shop", "policy": "/ui/policies/pods.privileged#L3",
		"sign-in": "/ui/sign-in", "failure": "/ui/policies/no.such",
	}
	var views []browser.View
	for name, path := range pages {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int{1280, 390} {
				view := browser.View{URL: s.URL + path, Width: width, Scheme: scheme, Headers: map[string]string{"Authorization": "Bearer auditor"}}
				if shots != "" {
					view.Screenshot = filepath.Join(shots, fmt.Sprintf("%s-%s-%d.png", name, scheme, width))
				}
				views = append(views, view)
			}
		}
	}
	for _, seen := range browser.LookT(t, "../..", views...) {
		for i, url := range seen.Requests {
			if url == s.URL+"/ui/style.css" {
				seen.Requests = append(seen.Requests[:i:i], seen.Requests[i+1:]...)
				break
			}
		}
		if strings.HasSuffix(seen.URL, "/no.such") {
			seen.Complaints = nil // of the status
		}
		browser.SoundT(t, seen)
	}
}
