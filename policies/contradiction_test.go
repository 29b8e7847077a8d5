package policies

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/review"
)

// setting is a policy that sets fields of Pods, "x=1 y=2".
func setting(t testing.TB, id, edits string) Spec {
	t.Helper()
	var rego strings.Builder
	fmt.Fprintf(&rego, "package %s\n", id)
	for edit := range strings.FieldsSeq(edits) {
		field, value, _ := strings.Cut(edit, "=")
		fmt.Fprintf(&rego, "\nmutate contains {\"set\": [%q], \"value\": %s}\n", field, value)
	}
	return specOf(t, id, rego.String(), at(review.Mutate, "mutate"), on(Resource{Resource: "pods"}))
}

func inForce(set *Set) string {
	var ids []string
	for _, p := range set.Policies() {
		ids = append(ids, p.Spec().ID)
	}
	return strings.Join(ids, " ")
}

// However policies came and went before: those that are there at the end decide which are in force.
func TestWhichOfTwoContradictingPoliciesWinsDoesNotDependOnTheOrderTheyCameIn(t *testing.T) {
	var specs []Spec
	for i, edits := range []string{"x=1", "x=2 y=1", "y=2", "y=2 z=1", "z=2", "x=1 z=2", "w=1", "w=2 z=3"} {
		specs = append(specs, setting(t, string(rune('a'+i)), edits))
	}
	const seeds = 50
	for seed := range int64(seeds) {
		r := rand.New(rand.NewSource(seed))
		shuffled := func(some []Spec) []Spec {
			some = slices.Clone(some)
			r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			return some
		}
		final := shuffled(specs)[:1+r.Intn(len(specs))]
		started := &Engine{}
		reports, _ := running(t, started, feedOf(listed(shuffled(final)...)))
		want := <-reports

		engine, one, two := &Engine{}, make(feed), make(feed)
		reports, _ = running(t, engine, one, two)
		one <- listed()
		for range 4 {
			some := shuffled(specs)[:r.Intn(len(specs))]
			two <- listed(some...)
			<-reports
		}
		two <- listed(shuffled(final)...)
		got := <-reports
		if inForce(got.Set) != inForce(want.Set) || got.Set.Revision() != want.Set.Revision() || len(got.Kept) > 0 || len(got.Faults) != len(want.Faults) {
			t.Errorf("seed %d: %s of %d policies are in force, kept %v\n%v\nafter a start: %s\n%v",
				seed, inForce(got.Set), len(final), got.Kept, got.Faults, inForce(want.Set), want.Faults)
		}
	}
}

func feedOf(b Bundle) Source {
	f := make(feed, 1)
	f <- b
	return f
}

func TestWhoLosesAContradiction(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	for _, c := range []struct {
		what, want, kept, faults string
		specs                    []Spec
	}{
		{"one", "b", "", "", []Spec{setting(t, "b", "x=2")}},
		{
			"an earlier name takes its place", "a", "",
			`b.rego:3: policies b and a set ["x"] to different values whenever they are asked; the other does so at a.rego:3`,
			[]Spec{setting(t, "a", "x=1"), setting(t, "b", "x=2")},
		},
		{
			"who has lost contradicts nobody", "a c", "",
			`b.rego:3: policies b and a set ["x"] to different values whenever they are asked; the other does so at a.rego:3`,
			[]Spec{setting(t, "a", "x=1"), setting(t, "b", "x=2 y=1"), setting(t, "c", "y=2")},
		},
		{"it is mended", "a b", "", "", []Spec{setting(t, "a", "x=1"), setting(t, "b", "y=1")}},
		{
			"an earlier version that contradicts nobody is kept", "a b", "b",
			`b.rego:3: policies b and a set ["x"] to different values whenever they are asked; the other does so at a.rego:3`,
			[]Spec{setting(t, "a", "x=1"), setting(t, "b", "x=3")},
		},
		{
			"what is kept yields to what is there", "a c", "",
			"b.rego:1: not Rego\n" + `b.rego:3: policies b and c set ["y"] to different values whenever they are asked; the other does so at c.rego:3`,
			[]Spec{setting(t, "a", "x=1"), setting(t, "c", "y=2")},
		},
	} {
		bundle := listed(c.specs...)
		if strings.HasPrefix(c.faults, "b.rego:1") {
			bundle.Faults = Faults{{File: "b.rego", Policy: "b", Err: fmt.Errorf("b.rego:1: not Rego")}}
		}
		source <- bundle
		load := <-reports
		if got := inForce(load.Set); got != c.want || strings.Join(load.Kept, " ") != c.kept || load.Faults.Error() != c.faults {
			t.Errorf("%s: %q, kept %v\n%v", c.what, got, load.Kept, load.Faults)
		}
	}
}
