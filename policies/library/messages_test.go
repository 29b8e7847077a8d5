package library

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"testing"
)

// nothing is a place in a message where something should be: two blanks, or one before a comma.
var nothing = regexp.MustCompile(`  | [,;.]| $`)

// The API server has yet to make the name of an object with a generateName when it asks about it, and portcullis review never makes it. A message
// calls it by that.
func TestMessagesAboutWhatHasNoNameYet(t *testing.T) {
	about := map[string]int{}
	for _, p := range policies(t) {
		if p.gives() || !slices.Contains(p.said.stages(), "admission") {
			continue
		}
		documents := documents(t, path.Join(path.Dir(File(p.name)), "deny.yaml"))
		speaks := speaker(t, p, cluster(documents, p.said.Data))
		for _, document := range documents {
			input := question(t, document, namespaces(documents))
			request, ok := input["request"].(map[string]any)
			if object, there := request["object"].(map[string]any); ok && there && !p.seesOnly(document) {
				request["name"], request["object"] = "", unnamed(copied(t, object).(map[string]any))
				input["parameters"] = p.said.parameters()
				for _, said := range speaks(input) {
					if finding, ok := said.(map[string]any); ok && finding["message"] != nil {
						said = finding["message"]
					}
					about[p.name]++
					if text := fmt.Sprint(said); nothing.MatchString(text) {
						t.Errorf("%s: %q", p.name, text)
					}
				}
			}
		}
	}
	if len(about) < 50 {
		t.Errorf("only %d policies say something: %v", len(about), about)
	}
}

func unnamed(object map[string]any) map[string]any {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok { // that of a connection
		return object
	}
	metadata["generateName"] = fmt.Sprint(metadata["name"], "-")
	delete(metadata, "name")
	return object
}
