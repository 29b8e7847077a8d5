package docs

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The five minutes of docs/gatekeeper.md: what the page prints is checked, reviewed and served.
func TestGatekeeper(t *testing.T) {
	api, health := freeAddress(t), freeAddress(t)
	p := read(t, "docs/gatekeeper.md", strings.NewReplacer(
		"serve --policies", "serve --listen="+api+" --health-listen="+health+" --policies"))
	s := newShell(t, map[string]string{"portcullis": binary(t, "portcullis")})
	s.write(t, "my-policies/owner.yaml", p.block(t, "yaml", "kind: ConstraintTemplate"))
	s.write(t, "pod.yaml", p.block(t, "yaml", "kind: Pod\n"))
	if got, want := s.run(t, "exec 2>&1\n"+p.block(t, "sh", "portcullis check")), p.block(t, "text", "1 constraint"); got != want {
		t.Errorf("check: %s, want %s", got, want)
	}
	review := p.block(t, "sh", "portcullis review")
	want := p.block(t, "text", "deny") + "1 judged by 1 policy and 1 mutator: 1 denied, 0 allowed\n"
	if got, code := s.code(t, review); code != 2 || got != want {
		t.Errorf("exit code %d\n%s\nwant\n%s", code, got, want)
	}
	stop := s.start(t, p.block(t, "sh", "portcullis serve"))
	eventually(t, "the server is ready", func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	stop()

	// What kubectl prints is one List, with what the cluster adds.
	s.write(t, "my-policies/owner.yaml", listOf(t, p.block(t, "yaml", "kind: ConstraintTemplate")))
	if got, code := s.code(t, review); code != 2 || got != want {
		t.Errorf("of a List: exit code %d\n%s\nwant\n%s", code, got, want)
	}
}

// listOf makes a List of documents as kubectl prints it.
func listOf(t *testing.T, documents string) string {
	t.Helper()
	var items []any
	for _, text := range regexp.MustCompile(`(?m)^---\n`).Split(documents, -1) {
		var item map[string]any
		if err := yaml.Unmarshal([]byte(text), &item); err != nil {
			t.Fatal(err)
		}
		metadata, _ := item["metadata"].(map[string]any)
		metadata["uid"], metadata["generation"], metadata["creationTimestamp"] = "d1", 1, "2026-01-01T00:00:00Z"
		item["status"] = map[string]any{"byPod": []any{map[string]any{"id": "gatekeeper-0", "enforced": true}}}
		items = append(items, item)
	}
	text, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
