package cmd

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
	"github.com/portcullis-dev/portcullis/review"
)

// What constraints read and nobody has is told of them, of the kind, and to whoever applies one.
func TestWhatIsLackingIsTold(t *testing.T) {
	looking := func(id, kind string, enforcement policies.Enforcement) policies.Spec {
		return policies.Spec{
			ID: id, File: id, Convention: policies.Gatekeeper, Enforcement: enforcement, Package: ast.MustParseRef("data.template"),
			Rules: []policies.Rule{{Stage: review.Validate, Name: policies.ViolationRule}},
			Modules: []*ast.Module{ast.MustParseModuleWithOpts(`package template
				violation[{"msg": "no"}] { data.inventory.namespace[_].v1.`+kind+`.a }`, ast.ParserOptions{RegoVersion: ast.RegoV0})},
		}
	}
	set, err := policies.Compile(t.Context(), []policies.Spec{
		looking("reads/all", "Secret", policies.EnforceDeny), looking("other/all", "Pod", policies.EnforceDeny), looking("rests/all", "Secret", policies.EnforceOff),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &member{flags: &memberFlags{name: "portcullis"}, store: &inventory.Store{}, log: slog.New(slog.DiscardHandler)}
	c.heard.add(string(review.Validate))
	secret := schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	c.store.Sync([]inventory.Synced{{GroupVersionKind: secret, Of: inventory.SyncedKind(secret)}}, nil)
	c.store.Lose(inventory.SyncedKind(secret), errors.New("not allowed"))

	const without = "without v1/Secret nothing can be judged: not allowed"
	want := map[string]string{"reads/all": "[" + without + "]", "other/all": "[]", "rests/all": "[]"}
	lacking := c.lacking(set)
	for _, p := range set.Policies() {
		id := p.Spec().ID
		if got := fmt.Sprint(lacking[id]); got != want[id] {
			t.Errorf("of %s is told %s, want %s", id, got, want[id])
		}
		if got := fmt.Sprint(c.warnings(t.Context(), p)); got != want[id] {
			t.Errorf("whoever applies %s is told %s, want %s", id, got, want[id])
		}
	}
	c.store.Lose("widgets.example.com", errors.New("not allowed"))
	const troubles = "[{KindMissing Watch v1/Secret a Config or SyncSet names v1/Secret, and constraints that read it at data.inventory have no answer: not allowed} " +
		"{KindMissing Watch widgets.example.com policies read widgets.example.com: not allowed}]"
	if got := fmt.Sprint(c.troubles()); got != troubles {
		t.Errorf("got  %s\nwant %s", got, troubles)
	}
}
