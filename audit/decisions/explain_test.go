package decisions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

func everything(*Brief) bool { return true }

func TestAPatchIsToldAsBeforeAndAfter(t *testing.T) {
	const object = `{"metadata":{"name":"web","labels":{"a/b":"1","gone":{"x":1.50}}},"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}],"n":1}}`
	for _, c := range []struct{ name, object, patch, want, unshown string }{
		{
			"members", object, `[{"op":"add","path":"/metadata/annotations","value":{"k":"<v>"}},{"op":"replace","path":"/metadata/labels/a~1b","value":"2"},` +
				`{"op":"remove","path":"/metadata/labels/gone"},{"op":"add","path":"/spec/n","value":2}]`,
			`/metadata/annotations: → {"k":"<v>"}; /metadata/labels/a~1b:"1" → "2"; /metadata/labels/gone:{"x":1.50} → ; /spec/n:1 → 2`, "",
		},
		{
			"a list's elements, which move", object, `[{"op":"remove","path":"/spec/containers/0"},{"op":"replace","path":"/spec/containers/0/name","value":"B"},` +
				`{"op":"add","path":"/spec/containers/1","value":{}},{"op":"add","path":"/spec/containers/-","value":null},{"op":"remove","path":"/spec/containers/2"}]`,
			`/spec/containers/0:{"name":"a"} → ; /spec/containers/0/name:"b" → "B"; /spec/containers/1: → {}; /spec/containers/-: → null; ` +
				`/spec/containers/2:{"name":"c"} → `, "",
		},
		{"the whole", `{"a":1}`, `[{"op":"replace","path":"","value":{}}]`, `:{"a":1} → {}`, ""},
		{"nothing", object, `[]`, ``, ""},
		{"what the object has not", object, `[{"op":"remove","path":"/spec/m"}]`, ``, "What was changed cannot be shown: it does not fit the object in the record."},
		{"an element there is not", object, `[{"op":"replace","path":"/spec/containers/3","value":1}]`, ``, patchOdd},
		{"a place after the end", object, `[{"op":"add","path":"/spec/containers/4","value":1}]`, ``, patchOdd},
		{"a way through a text", object, `[{"op":"add","path":"/metadata/name/x","value":1}]`, ``, patchOdd},
		{"no operation of ours", object, `[{"op":"move","from":"/spec","path":"/x"}]`, ``, patchOdd},
		{"a patch that is gone", object, `"(erased)"`, ``, "What was changed was taken out of the record."},
		{"an object that is gone", `"(erased)"`, `[{"op":"add","path":"/spec/m","value":1}]`, `/spec/m: → 1`, "What stood there before was taken out of the record."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Recent
			keep(t, &r, Record{DecisionID: "u", Path: "mutate", Input: admission("jane", "shop", c.object), Result: &Result{Verdict: "allow", Patch: []byte(c.patch)}})
			e, found := r.Explain("u", everything)
			var told []string
			for _, edit := range e.Edits {
				told = append(told, edit.Pointer+":"+strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(edit.Before+" → "+edit.After))
			}
			if got := strings.Join(told, "; "); !found || got != c.want || e.Unshown != c.unshown || e.More != 0 {
				t.Errorf("%s\nwant %s\n%q, %d more", got, c.want, e.Unshown, e.More)
			}
		})
	}
}

// What was taken out of a record is not told by its explanation.
func TestAnExplanationHidesWhatARecordHides(t *testing.T) {
	pod := `{"spec":{"containers":[{"env":[{"name":"x","value":"` + canary + `"}]}]}}`
	patch := `[{"op":"replace","path":"/spec/containers/0/env/0/value","value":"` + canary + `2"}]`
	req := question(t, "u", "pods", `"object":`+pod)
	req.Stage = review.Mutate
	_, line := erasing(t, []string{environment}, req, review.Decision{Verdict: review.Allow, Patch: []byte(patch)}, nil)
	var r Recent
	if lost, err := r.Write([][]byte{[]byte(line)}); lost > 0 {
		t.Fatal(err)
	}
	e, _ := r.Explain("u", everything)
	text, _ := json.Marshal(e)
	want := []Edit{{Pointer: "/spec/containers/0/env/0/value", Before: `"(erased)"`, After: `"(erased)"`}}
	if fmt.Sprint(e.Edits) != fmt.Sprint(want) || strings.Contains(string(text), canary) {
		t.Errorf("the explanation is %s", text)
	}
}

func TestALongPatchIsToldInPart(t *testing.T) {
	operation := func(value string) string { return `{"op":"add","path":"/x","value":"` + value + `"},` }
	for _, c := range []struct{ patch, want string }{
		{"[" + strings.Repeat(operation(""), 1234) + `{"op":"remove","path":"/x"}]`, "1000 told, 235 more"},
		{"[" + strings.Repeat(operation(strings.Repeat("x", 300<<10)), 9) + `{"op":"remove","path":"/x"}]`, "3 told, 7 more"},
	} {
		told, more, err := edits([]byte(`{}`), []byte(c.patch))
		if got := fmt.Sprintf("%d told, %d more", len(told), more); got != c.want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, c.want)
		}
	}
}

func TestWhatBelongsToADecisionIsTold(t *testing.T) {
	far := theDay()[2]
	far.DecisionID, far.Timestamp = "far", noon.Add(time.Hour)
	nearer := theDay()[1]
	nearer.DecisionID, nearer.Timestamp = "nearer", noon.Add(2100*time.Millisecond)
	mutated := Record{DecisionID: "mutated", Path: "mutate", Input: admission("jane", "shop", `{}`), Result: &Result{Verdict: "allow"}, Timestamp: noon}
	named := theDay()[6]
	named.Event.Decisions = []string{"refused", "mutated", "nowhere"}
	named.Timestamp = noon.Add(10 * time.Second)
	// The same words of another user, in another namespace, are of other requests.
	joe := Record{DecisionID: "joe", Path: "mutate", Input: admission("joe", "shop", `{}`), Timestamp: noon.Add(2 * time.Second)}
	bank := Record{DecisionID: "bank", Path: "image", Timestamp: noon.Add(2 * time.Second), Input: []byte(
		`{"apiVersion":"imagepolicy.k8s.io/v1alpha1","kind":"ImageReview","spec":{"containers":[],"namespace":"bank"}}`)}
	shop := bank
	shop.DecisionID, shop.Input = "shop", []byte(strings.ReplaceAll(string(bank.Input), "bank", "shop"))
	leaking := theDay()[6]
	leaking.Event.Decisions = []string{"refused", "late"} // which is about another namespace
	old := theDay()[0]
	old.DecisionID, old.Timestamp = "old", noon.Add(-time.Hour)
	yesterday := mutated
	yesterday.DecisionID, yesterday.Timestamp = "yesterday", noon.Add(-24*time.Hour)
	day := theDay()
	for _, c := range []struct {
		name, of string
		records  []Record
		may      func(*Brief) bool
		want     string
	}{
		{
			"by looks alone, the nearest of each path", "refused",
			[]Record{day[0], day[1], day[2], nearer, far, joe, bank, shop},
			everything,
			"[shop object nearer object token credential]",
		},
		{"by the audit event", "refused", []Record{day[0], day[2], mutated, joe, named}, everything, "[mutated event token credential told event]"},
		{"of an event", "told", []Record{day[0], day[2], mutated, joe, named}, everything, "[refused event mutated event]"},
		{"of a token", "token", []Record{day[0], day[1], day[2], far}, everything, "[access credential refused credential]"},
		{
			"only what may be seen", "refused",
			[]Record{day[0], day[2], mutated, joe, named},
			func(b *Brief) bool { return b.Namespace() == "shop" },
			"[mutated event told event]",
		},
		{"not even what an event names", "refused", []Record{day[2], day[3], leaking}, func(b *Brief) bool { return b.Namespace() == "shop" }, "[told event]"},
		{"not what is long ago", "refused", []Record{day[2], old, yesterday}, everything, "[]"},
		{"of a gap, nothing", "lost", day, everything, "[]"},
		{"of what is not known, nothing", "unknown", day, everything, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Recent
			keep(t, &r, append([]Record(nil), c.records...)...)
			e, found := r.Explain(c.of, c.may)
			got := []string{}
			for _, related := range e.Related {
				got = append(got, related.Brief.ID+" "+string(related.Join))
			}
			if !found || fmt.Sprint(got) != c.want || e.Record.DecisionID != c.of || e.Brief.ID != c.of {
				t.Errorf("%v %v, want %s", found, got, c.want)
			}
		})
	}
}

func TestADecisionIsExplainedToThoseWhoMaySeeItAlone(t *testing.T) {
	var r Recent
	keep(t, &r, theDay()...)
	shop := func(b *Brief) bool { return b.Namespace() == "shop" }
	for id, want := range map[string]bool{"refused": true, "told": true, "late": false, "token": false, "unknown": false, "lost": false, "nowhere": false} {
		if e, found := r.Explain(id, shop); found != want || !found && e.Record.DecisionID != "" {
			t.Errorf("%s: %v, want %v", id, found, want)
		}
	}
}

// Who makes a request may choose its Audit-ID, and so the ID of an event's record: it hides no decision.
func TestAnEventHidesNoDecisionOfTheSameID(t *testing.T) {
	var r Recent
	event := theDay()[6]
	event.DecisionID, event.Timestamp = "refused", noon.Add(time.Hour)
	keep(t, &r, theDay()[2], event)
	if e, _ := r.Explain("refused", everything); e.Record.Path != "validate" {
		t.Errorf("explained is the record of %s", e.Record.Path)
	}
}
