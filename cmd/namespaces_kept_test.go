package cmd

import (
	"encoding/json"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func named(name, team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
}

// Namespaces that were kept are known until the cluster has listed its own. What it says of one before that counts, and what it does not
// list is gone.
func TestNamespacesThatWereKept(t *testing.T) {
	n := &namespaces{log: slog.New(slog.DiscardHandler), synced: make(chan struct{}), arrivals: newArrivals()}
	var kept []json.RawMessage
	for _, name := range []string{"changed", "deleted", "gone", "same"} {
		text, err := json.Marshal(named(name, "old"))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, text)
	}
	team := func(name string) string {
		ns, _ := n.lookup(name)
		return ns.Labels["team"]
	}
	n.learn(named("changed", "new")) // the cluster begins to answer
	if n.ready() == nil {
		t.Error("it is ready before all are listed")
	}
	if err := n.restore(kept); err != nil {
		t.Fatal(err)
	}
	if n.ready() != nil || !n.standIn() {
		t.Error("what was kept does not stand in")
	}
	if team("changed") != "new" || team("same") != "old" || team("gone") != "old" {
		t.Errorf("changed %q, same %q, gone %q", team("changed"), team("same"), team("gone"))
	}
	n.learn(named("same", "old"))
	n.forget(named("deleted", "old"))
	n.listed()
	if n.ready() != nil || n.standIn() {
		t.Error("what was kept stands in still")
	}
	if team("gone") != "" || team("deleted") != "" || team("same") != "old" || team("changed") != "new" {
		t.Errorf("gone %q, deleted %q, same %q, changed %q", team("gone"), team("deleted"), team("same"), team("changed"))
	}
	if err := n.restore(kept); err != nil || team("gone") != "" || n.standIn() {
		t.Error("what was kept takes the place of what the cluster lists")
	}
}

func TestNamespacesThatCannotBeRead(t *testing.T) {
	n := &namespaces{log: slog.New(slog.DiscardHandler), synced: make(chan struct{}), arrivals: newArrivals()}
	if err := n.restore([]json.RawMessage{[]byte(`{"metadata":7}`)}); err == nil {
		t.Error("they are taken")
	}
}
