package status

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/portcullis-dev/portcullis/policies/source"
)

// constraintAudited is a constraint and the replicas that audit by it.
type constraintAudited struct {
	t      *testing.T
	object *unstructured.Unstructured
	writes int
	live   []string
	found  map[string]map[string]Violations
}

func (c *constraintAudited) writer(replica string) *AuditWriter {
	client := fake.NewSimpleDynamicClient(runtime.NewScheme())
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchActionImpl)
		if patch.GetSubresource() != "status" {
			c.t.Errorf("%+v", patch)
		}
		before, err := json.Marshal(c.object)
		if err != nil {
			return true, nil, err
		}
		after, err := jsonpatch.MergePatch(before, patch.GetPatch())
		if err != nil {
			return true, nil, err
		}
		c.writes++
		c.object = &unstructured.Unstructured{}
		return true, c.object, c.object.UnmarshalJSON(after)
	})
	return &AuditWriter{
		Client: client, Release: "guard", Replica: replica, Log: slog.New(slog.DiscardHandler),
		Followed: func() []source.Followed {
			return []source.Followed{{Resource: constraintsAt, List: func() []*unstructured.Unstructured { return []*unstructured.Unstructured{c.object} }}}
		},
		Found:    func() (map[string]Violations, bool) { return c.found[replica], c.found[replica] != nil },
		Replicas: func() ([]string, error) { return c.live, nil },
	}
}

// round has every replica write once, and then the leader.
func (c *constraintAudited) round(now time.Time) string {
	c.t.Helper()
	for _, name := range c.live {
		if err := c.writer(name).parts(c.t.Context(), now); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := c.writer(c.live[0]).sums(c.t.Context(), now); err != nil {
		c.t.Fatal(err)
	}
	status, _, _ := unstructured.NestedMap(c.object.Object, "status")
	violations, _ := status["violations"].([]any)
	var names []string
	for _, v := range violations {
		one := v.(map[string]any)
		names = append(names, fmt.Sprint(one["name"], "/", one["enforcementAction"]))
	}
	parts, _ := status[partsField].(map[string]any)
	return fmt.Sprintf("%v of %v by %d %s", names, status["totalViolations"], len(parts), status["auditTimestamp"])
}

func violations(total int, names ...string) map[string]Violations {
	out := Violations{Total: total}
	for _, name := range names {
		out.First = append(out.First, Violation{Version: "v1", Kind: "Pod", Namespace: "shop", Name: name, Message: strings.Repeat("no ", 200)})
	}
	return map[string]Violations{"owner/must": out}
}

func TestWhatAllReplicasFoundIsAddedUp(t *testing.T) {
	c := &constraintAudited{t: t, live: []string{"a", "b", "c"}, found: map[string]map[string]Violations{
		"a": violations(1, "one"), "b": violations(30, "two", "four"), "c": violations(0),
	}}
	c.object = object(constraintsAt, "Owner", "must", map[string]any{"enforcementAction": "warn"})
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	expect := func(want string, writes int) {
		t.Helper()
		before := c.writes
		if got := c.round(now); got != want || c.writes-before != writes {
			t.Errorf("%s with %d writes\nwant %s with %d", got, c.writes-before, want, writes)
		}
	}
	expect("[four/warn one/warn two/warn] of 31 by 3 2027-01-01T00:00:00Z", 4)
	expect("[four/warn one/warn two/warn] of 31 by 3 2027-01-01T00:00:00Z", 0)
	text, _ := json.Marshal(c.object)
	if strings.Contains(string(text), strings.Repeat("no ", 90)) {
		t.Error("a message is as long as it likes")
	}
	// A replica dies, and another takes over what it judged.
	c.live, c.found["a"] = []string{"a", "c"}, violations(31, "one", "two", "four")
	expect("[four/warn one/warn two/warn] of 31 by 2 2027-01-01T00:00:00Z", 2)
	c.found["a"] = violations(0)
	expect("[] of 0 by 2 2027-01-01T00:00:00Z", 2)
	now = now.Add(freshFor)
	expect("[] of 0 by 2 2027-01-01T00:10:00Z", 3)
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprintf("%02d", i))
	}
	c.found["a"] = violations(50, many...)
	c.round(now)
	if all, _, _ := unstructured.NestedSlice(c.object.Object, "status", "violations"); len(all) != MaxViolations {
		t.Errorf("%d violations are listed", len(all))
	}
}

func TestConstraintsThatGatekeeperAuditsAreLeftToIt(t *testing.T) {
	c := &constraintAudited{t: t, live: []string{"a"}, found: map[string]map[string]Violations{"a": violations(1, "one")}}
	c.object = object(constraintsAt, "Owner", "must", nil)
	c.object.Object["status"] = map[string]any{"byPod": []any{map[string]any{"id": "gatekeeper-audit-1", "operations": []any{"audit", "status"}}}}
	if c.round(time.Now()); c.writes != 0 {
		t.Errorf("%d writes", c.writes)
	}
	c.object.Object["status"] = nil
	c.found["a"] = nil // it has not looked at everything yet
	if c.round(time.Now()); c.writes != 0 {
		t.Errorf("%d writes before anything is known", c.writes)
	}
}
