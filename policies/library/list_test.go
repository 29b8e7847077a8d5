package library

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The list of the library in the documentation stands between these lines.
const (
	listBegins = "<!-- The list is made of the METADATA: UPDATE=1 go test ./policies/library -->\n"
	listEnds   = "<!-- end of the list -->\n"
)

// The documentation lists the policies there are, in the words of their METADATA. With UPDATE=1 in the environment it is written anew.
func TestTheDocumentationListsTheLibrary(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "policies.md")
	page := string(source(t, file))
	before, rest, found := strings.Cut(page, listBegins)
	listed, after, ended := strings.Cut(rest, listEnds)
	if !found || !ended {
		t.Fatalf("%s has no list: no line %q, or none %q after it", file, listBegins, listEnds)
	}
	var want strings.Builder
	want.WriteString("| policy | asked at | what it is |\n| --- | --- | --- |\n")
	for _, p := range policies(t) {
		fmt.Fprintf(&want, "| [`%s`](../policies/library/%s) | %s | %s |\n",
			p.name, File(p.name), strings.Join(p.askedAt(), ", "), p.annotations.Title)
	}
	if listed == want.String() {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the list in %s is not current; UPDATE=1 go test ./policies/library writes it:\n%s", file, want.String())
	}
	if err := os.WriteFile(file, []byte(before+listBegins+want.String()+listEnds+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// askedAt are the callouts at which a policy is asked.
func (p policy) askedAt() []string {
	if p.defines("user") {
		return []string{"authenticate"}
	}
	stages := p.said.stages()
	at := slices.Index(stages, "admission")
	if at < 0 {
		return stages
	}
	var callouts []string
	if p.defines("mutate") {
		callouts = append(callouts, "mutate")
	}
	if p.defines("deny") || p.defines("warn") {
		callouts = append(callouts, "validate")
	}
	return slices.Replace(slices.Clone(stages), at, at+1, callouts...)
}
