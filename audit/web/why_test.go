package web_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestADecisionLeadsToTheRulesThatMadeIt(t *testing.T) {
	s := newSite(t)
	s.note = "The policies have changed <since>."
	for _, c := range []struct{ who, path, has, not string }{
		{"auditor", "/ui/decisions/d-shop", `deny at <a href="/ui/policies/pods.privileged#L3"><code>policies/privileged.rego:3</code></a>`, ""},
		{"auditor", "/ui/decisions/d-shop", `deny at <code>policies/&lt;i&gt;.rego:9</code>`, "<i>"},
		{"auditor", "/ui/decisions/d-shop", "The policies have changed &lt;since&gt;.", ""},
		{"auditor", "/ui/decisions/d-patch", `Asked for by pods.defaults at <code>policies/defaults.rego:7</code>`, ""},
		{"auditor", "/ui/decisions/d-bank", "No policy had anything to say.", "rego:"},
		{"developer", "/ui/decisions/d-shop", "No &lt;script&gt;alert(2)&lt;/script&gt;.", "rego:"}, // who may not see policies
		{"auditor", "/ui/policies/pods.privileged", `<span class="line" id="F2L3">`, ""},
		{"auditor", "/ui/policies/pods.privileged", "<h2>Tests: policies/privileged_test.rego</h2>", ""},
	} {
		got, body := s.get(t, c.who, c.path)
		if got.StatusCode != http.StatusOK || !strings.Contains(body, c.has) || c.not != "" && strings.Contains(body, c.not) {
			t.Errorf("%s at %s: %d, want %q and not %q in\n%s", c.who, c.path, got.StatusCode, c.has, c.not, body)
		}
	}
	if _, body := s.get(t, "auditor", "/ui/policies/pods.privileged"); !strings.Contains(body, `id="L3"`) {
		t.Errorf("the line that is linked to is not there:\n%s", body)
	}
}
