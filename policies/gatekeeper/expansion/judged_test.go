package expansion_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/documents"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/expansion"
	"github.com/portcullis-dev/portcullis/policies/language"
	"github.com/portcullis-dev/portcullis/review"
)

func TestMain(m *testing.M) {
	language.Register()
	os.Exit(m.Run())
}

func TestJudged(t *testing.T) {
	const file = "testdata/judged.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := setOf(t, archive.Files[0].Data)
	var got strings.Builder
	for line := range strings.Lines(string(archive.Files[1].Data)) {
		fmt.Fprintf(&got, "%s%s", line, answer(t, set, strings.TrimSpace(line), review.FromWebhook))
	}
	if want := &archive.Files[2]; got.String() != string(want.Data) {
		if os.Getenv("UPDATE") == "" {
			t.Fatalf("got\n%s", got.String())
		}
		want.Data = []byte(got.String())
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func setOf(t testing.TB, text []byte, options ...policies.Option) *policies.Set {
	t.Helper()
	docs, err := documents.Split("policies.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	reading := new(gatekeeper.Reader).Read(t.Context(), docs)
	system, faults := new(expansion.Reader).Read(reading.Documents)
	if faults = append(faults, reading.Faults...); len(faults) > 0 {
		t.Fatal(faults)
	}
	prod := ast.MustParseTerm(`{"metadata": {"name": "shop", "labels": {"env": "prod"}}}`).Value
	options = append(options, policies.WithExpander(system), policies.WithNamespaces(func(name string) (policies.Namespace, bool) {
		return policies.Namespace{Labels: labels.Set{"env": "prod"}, Object: prod}, name == "shop"
	}))
	set, err := policies.Compile(t.Context(), reading.Specs, options...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// answer asks about an operation and an object in the namespace shop, and lists what comes of it.
func answer(t testing.TB, set *policies.Set, asked string, origin review.Origin) string {
	t.Helper()
	operation, object, _ := strings.Cut(asked, " ")
	object, old := object, "null"
	if operation == "DELETE" {
		object, old = old, object
	}
	req, _, err := review.DialectValidate(fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1",
		"kind":{"group":"x","version":"v1","kind":"Any"},"resource":{"group":"x","version":"v1","resource":"anys"},"name":"web","namespace":"shop",
		"operation":%q,"userInfo":{"username":"jane"},"object":%s,"oldObject":%s}}`, operation, object, old))
	if err != nil {
		t.Fatal(err)
	}
	req.Origin = origin
	before := bytes.Clone(req.Body)
	d, err := set.Review(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, req.Body) {
		t.Error("the request was changed")
	}
	out := "  " + d.Verdict.String() + "\n"
	for _, f := range d.Findings {
		fault := ""
		if f.Fault {
			fault = " fault"
		}
		out += fmt.Sprintf("  %s %s%s: %s\n", f.Effect, f.Policy, fault, f.Message)
	}
	return out
}

func TestScopedConstraintsAtTheAudit(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/judged.txtar")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(archive.Files[1].Data), "\n")
	got := answer(t, setOf(t, archive.Files[0].Data), line, review.FromAudit)
	if want := "deny seen/at-the-audit: [Implied by pods] "; !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}
