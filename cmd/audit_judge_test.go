package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/policies"
)

func auditSet(t *testing.T, rego string) *policies.Set {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.rego"), []byte(rego), 0o600); err != nil {
		t.Fatal(err)
	}
	return setOf(t, dir)
}

func setOf(t testing.TB, paths ...string) *policies.Set {
	t.Helper()
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	from, err := (&policyFlags{from: paths}).source(reader)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := from.Load(t.Context())
	if err != nil || len(bundle.Faults) > 0 {
		t.Fatal(err, bundle.Faults)
	}
	set, err := policies.Compile(t.Context(), bundle.Specs, policies.WithExceptions(bundle.Exceptions))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAuditJudge(t *testing.T) {
	set := auditSet(t, `# METADATA
# custom: {portcullis: {severity: high, controls: [c/1], enforcement: warn, match: {resources: [pods]}}}
package pods.named
deny contains {"message": "the name is web", "field": "metadata.name"} if input.request.object.metadata.name == "web"
warn contains "a name is short" if count(input.request.object.metadata.name) < 4
`)
	judge := newAuditJudge(set, []string{"kube-system"})
	for name, c := range map[string]struct {
		about  audit.Object
		object string
		only   func(string) bool
		want   audit.Judgement
	}{
		"refused and warned of": {
			audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: "shop", Name: "web"},
			`{"metadata":{"name":"web"}}`, nil,
			audit.Judgement{Asked: []string{"pods.named"}, Results: []audit.Result{
				{Policy: "pods.named", Outcome: audit.Fail, Severity: "high", Message: "the name is web", Field: "metadata.name"},
				{Policy: "pods.named", Outcome: audit.Warn, Severity: "high", Message: "a name is short"},
			}},
		},
		"passed":           {audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Name: "other"}, `{"metadata":{"name":"other"}}`, nil, audit.Judgement{Asked: []string{"pods.named"}}},
		"not asked":        {audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Name: "web"}, `{"metadata":{"name":"web"}}`, func(string) bool { return false }, audit.Judgement{}},
		"of another kind":  {audit.Object{Version: "v1", Kind: "Node", Resource: "nodes", Name: "web"}, `{"metadata":{"name":"web"}}`, nil, audit.Judgement{}},
		"exempt":           {audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Namespace: "kube-system", Name: "web"}, `{}`, nil, audit.Judgement{Skipped: "namespace is exempt"}},
		"exempt by itself": {audit.Object{Version: "v1", Kind: "Namespace", Resource: "namespaces", Name: "kube-system"}, `{}`, nil, audit.Judgement{Skipped: "namespace is exempt"}},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range c.want.Results {
				c.want.Results[i].Object = c.about
			}
			got, err := judge.Judge(t.Context(), c.about, json.RawMessage(c.object), c.only)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	if _, err := judge.Judge(t.Context(), audit.Object{Version: "v1", Kind: "Pod", Resource: "pods", Name: "web"}, json.RawMessage(`{`), nil); err == nil {
		t.Error("what cannot be read was judged")
	}
	want := []audit.Policy{{ID: "pods.named", Severity: "high", Controls: []string{"c/1"}, Effect: "warn"}}
	if got := auditPolicies(set); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// The policies of the library that the audit cannot ask, with the reason; whoever writes one sees here what became of it.
func TestWhichPoliciesOfTheLibraryAreUnaudited(t *testing.T) {
	var out strings.Builder
	dir := t.TempDir()
	all, err := described()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		var text strings.Builder
		cmd := newRoot()
		cmd.SetArgs([]string{"policies", "show", d.Name, "-o", "yaml"})
		cmd.SetOut(&text)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, d.Name+".yaml"), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, policy := range auditPolicies(setOf(t, dir)) {
		if policy.Unaudited != "" {
			out.WriteString(policy.ID + ": " + policy.Unaudited + "\n")
		}
	}
	golden := filepath.Join("testdata", "policies", "unaudited.golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != out.String() {
		t.Errorf("%v\n%s", err, out.String())
	}
}
