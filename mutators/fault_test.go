package mutators

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// An edit that cannot be made is answered by its policy's onError. The policy makes no other edit then, and the other policies make all theirs.
func TestFaultyEdits(t *testing.T) {
	const good = `{"policy":"good","set":["spec","x"],"value":1}`
	const patch = `[{"op":"add","path":"/spec/x","value":1}]`
	deep := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	for _, c := range []struct {
		name  string
		edits []review.Edit
		want  string // verdict, patch, whether it is a fault, findings
	}{
		{
			"deny", edits(t, good, `{"onFault":"deny","set":["kind"],"value":"Pod"}`),
			`deny "" true, deny p: the edit to set kind cannot be made: no policy may change kind`,
		},
		{
			"nobody said", edits(t, good, `{"set":["kind"],"value":"Pod"}`),
			`deny "" true, deny p: the edit to set kind cannot be made: no policy may change kind`,
		},
		{
			"no effect of a fault", edits(t, good, `{"onFault":"allow","set":["kind"],"value":"Pod"}`),
			`deny "" true, deny p: the edit to set kind cannot be made: no policy may change kind`,
		},
		{
			"warn", edits(t, good, `{"onFault":"warn","set":["kind"],"value":"Pod"}`),
			fmt.Sprintf(`allow %q false, warn p: the edit to set kind cannot be made: no policy may change kind`, patch),
		},
		{
			"allow", edits(t, good, `{"onFault":"audit","set":["kind"],"value":"Pod"}`),
			fmt.Sprintf(`allow %q false, audit p: the edit to set kind cannot be made: no policy may change kind`, patch),
		},
		{
			"the policy's other edits go with it",
			edits(t, `{"onFault":"warn","set":["spec","y"],"value":2}`, good, `{"onFault":"warn","append":["spec","n"],"value":2}`),
			fmt.Sprintf(`allow %q false, warn p: the edit to append to spec.n cannot be made: spec.n is a number, not a list`, patch),
		},
		{
			"every policy's fault is told",
			edits(t, `{"policy":"a","onFault":"warn","set":["status"],"value":1}`, good, `{"policy":"b","onFault":"deny","remove":["metadata","name"]}`),
			`deny "" true, warn a: the edit to set status cannot be made: no policy may change status, ` +
				`deny b: the edit to remove metadata.name cannot be made: no policy may change metadata.name`,
		},
		{
			"with a contradiction among the others it is no mere fault",
			edits(t, `{"onFault":"deny","set":["kind"],"value":"Pod"}`, good, `{"policy":"other","set":["spec","x"],"value":2}`),
			`deny "" false, deny p: the edit to set kind cannot be made: no policy may change kind, ` +
				`deny good: the policies "good" and "other" contradict each other: both want to set spec.x, with different values`,
		},
		{
			"nested too deeply where it would stand", edits(t, good, `{"onFault":"warn","set":["spec","y"],"value":`+deep+`}`),
			fmt.Sprintf(`allow %q false, warn p: the edit to set spec.y cannot be made: it nests deeper than 512 levels`, patch),
		},
		{
			"nested too deeply as an element", edits(t, good, `{"onFault":"warn","append":["spec","y"],"value":`+deep[1:len(deep)-1]+`}`),
			fmt.Sprintf(`allow %q false, warn p: the edit to append to spec.y cannot be made: it nests deeper than 512 levels`, patch),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := policies(review.Decision{Verdict: review.Allow, Edits: c.edits})
			d, err := Chain{Ask(asked)}.Review(t.Context(), question(t, "CREATE", "Thing", thing, ""))
			got := fmt.Sprintf("%v %q %v", d.Verdict, d.Patch, d.Faulty())
			for _, f := range d.Findings {
				got += fmt.Sprintf(", %s %s", f.Effect, f)
			}
			if err != nil || got != c.want {
				t.Errorf("\n got %s %v\nwant %s", got, err, c.want)
			}
		})
	}
}
