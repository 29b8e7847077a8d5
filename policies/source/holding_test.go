package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/inventory"
)

func TestWhatCannotBeHeld(t *testing.T) {
	const add = `add {apiGroup: "", resources: [v1/Pod]} to the chart's rbac.inventory: this server may not %s v1/Pod, and constraints that read it have no answer`
	for name, c := range map[string]struct {
		server *fakeServer
		want   string
	}{
		"well":            {&fakeServer{}, ""},
		"list":            {&fakeServer{mayNot: []string{"list", "watch"}}, fmt.Sprintf(add, "list")},
		"watch":           {&fakeServer{mayNot: []string{"watch"}}, fmt.Sprintf(add, "watch")},
		"it is not known": {&fakeServer{mayNot: []string{"list"}, mute: errors.New("no answer")}, ""},
		"no such kind": {
			&fakeServer{missing: errNoSuchKind, mayNot: []string{"list"}},
			"correct its spelling, or install its CRD: the cluster does not serve v1/Pod, and to constraints there are none",
		},
		"not to be listed":        {&fakeServer{missing: errNoList}, "leave v1/Pod out: it cannot be listed and watched, and constraints that read it have no answer"},
		"the kinds are not known": {&fakeServer{missing: errors.New("no answer")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInventory(c.server, &inventory.Store{}, nil)
			if got := strings.Join(i.CannotHold(t.Context(), []schema.GroupVersionKind{pods()}), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			i.store.Replace("v1/Pod", inventory.List{Fields: &inventory.Fields{}, At: time.Now()})
			if got := i.CannotHold(t.Context(), []schema.GroupVersionKind{pods()}); len(got) > 0 {
				t.Errorf("of a kind that is held: %s", got)
			}
		})
	}
	many := make([]schema.GroupVersionKind, 100)
	for at := range many {
		many[at] = schema.GroupVersionKind{Version: "v1", Kind: fmt.Sprint("Kind", at)}
	}
	i := newInventory(&fakeServer{mayNot: []string{"list"}}, &inventory.Store{}, nil)
	got := i.CannotHold(t.Context(), many)
	if len(got) != 100 || !slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("%d sentences, or not in the order of the kinds", len(got))
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if got := newInventory(&fakeServer{}, &inventory.Store{}, nil).CannotHold(ended, many); len(got) > 0 {
		t.Errorf("when there is no more time: %s", got)
	}
}

// What cannot be had is told, and keeps no server from being ready: all of them are in the same position.
func TestTheNoteOfAnInventory(t *testing.T) {
	c := &fakeServer{missing: errNoList}
	i, store := followed(t, c)
	if got := i.Note(); got != "" {
		t.Errorf("where nothing is read: %s", got)
	}
	i.Sync(t.Context(), []schema.GroupVersionKind{pods()}, nil)
	const want = "policies that read these have no answer; v1/Pod: it is a kind that cannot be listed and watched"
	if got := i.Note(); got != want || i.Ready() != nil {
		t.Errorf("got %s, %v, want %s", got, i.Ready(), want)
	}
	store.Lose("pods", errForbidden) // of somebody who is not asked for any more
	if got := i.Note(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What whoever applies one of Gatekeeper's objects should know is told if that is accepted.
func TestTheGateWarnsOfADocument(t *testing.T) {
	config := object(t, "{apiVersion: config.gatekeeper.sh/v1alpha1, kind: Config, metadata: {name: config, namespace: gatekeeper-system}, spec: {sync: {syncOnly: []}}}")
	other := object(t, "{apiVersion: syncset.gatekeeper.sh/v1alpha1, kind: SyncSet, metadata: {name: other}, spec: {gvks: []}}")
	for _, c := range []struct {
		faults policies.Faults
		want   string
	}{
		{nil, "warn portcullis: config/gatekeeper-system/config: of Config config"},
		{policies.Faults{{File: "config/gatekeeper-system/config", Err: errors.New("no")}}, "deny portcullis: no"},
	} {
		g := gatekeeperGate(t, other)
		g.Documents = func(context.Context, []policies.Document) policies.Faults { return c.faults }
		g.WarnOf = func(_ context.Context, d policies.Document) []string {
			return []string{fmt.Sprintf("of %s %s", d.Object.GetKind(), d.Object.GetName())}
		}
		d, err := g.Review(t.Context(), asked(t, "CREATE", "configs", config, nil))
		if got := findings(d); err != nil || got != c.want {
			t.Errorf("got %s %v, want %s", got, err, c.want)
		}
	}
}
