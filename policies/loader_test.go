package policies

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portcullis-dev/portcullis/review"
)

// feed is a Source that yields whatever the test sends.
type feed chan Bundle

func (f feed) Run(ctx context.Context, yield func(Bundle)) error {
	for {
		select {
		case b := <-f:
			yield(b)
		case <-ctx.Done():
			return nil
		}
	}
}

// running starts a Loader over sources and returns its reports and its end.
func running(t *testing.T, engine *Engine, sources ...Source) (reports chan Load, ended chan error) {
	t.Helper()
	reports, ended = make(chan Load, 16), make(chan error, 1)
	loader := &Loader{Engine: engine, Sources: sources, Report: func(l Load) { reports <- l }}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- loader.Run(ctx) }()
	t.Cleanup(cancel)
	return reports, ended
}

func refusal(t *testing.T, engine *Engine) string {
	t.Helper()
	d, err := engine.Review(t.Context(), podCreate(t, pod))
	if err != nil {
		t.Fatal(err)
	}
	return d.Refusal()
}

func TestBeforeTheFirstSetThereIsNoAnswer(t *testing.T) {
	_, err := new(Engine).Review(t.Context(), podCreate(t, pod))
	if !errors.Is(err, review.ErrUnavailable) || err.Error() != "no answer is available now: no policies are loaded yet" {
		t.Error(err)
	}
}

func TestALoaderWaitsForEverySource(t *testing.T) {
	engine, a, b := &Engine{}, make(feed), make(feed)
	reports, _ := running(t, engine, a, b)
	a <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\"")}}
	if engine.Ready() == nil {
		t.Error("half of the policies were put in force")
	}
	b <- Bundle{Specs: []Spec{specOf(t, "b", "package b\ndeny contains \"b\"")}}
	<-reports
	if got := refusal(t, engine); got != "2 reasons:\n- a: a\n- b: b" {
		t.Error(got)
	}
}

// What is left of a policy of which a part can no longer be read may compile and say nothing: it is not put in force.
func TestATornPolicyKeepsItsLastGoodVersion(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	whole := specOf(t, "a", "package a\ndeny contains \"a1\"")
	second := specOf(t, "a2", "package a\ndeny contains \"a2\"")
	whole.Modules = append(whole.Modules, second.Modules...)
	source <- Bundle{Specs: []Spec{whole}}
	<-reports
	source <- Bundle{
		Specs:  []Spec{specOf(t, "a", "package a\ndeny contains \"a1\" if false")},
		Faults: Faults{{File: "a2.rego", Err: errors.New("a2.rego:1: not Rego")}},
	}
	load := <-reports
	if got := refusal(t, engine); got != "2 reasons:\n- a: a1\n- a: a2" || strings.Join(load.Kept, " ") != "a" {
		t.Error(got, load.Kept)
	}
}

// A file that is renamed and spoilt at once has a fault by which nobody can tell what was in it.
func TestWhatVanishesBesideAFaultyFileIsKept(t *testing.T) {
	broken := Faults{{File: "new.rego", Err: errors.New("new.rego:1: not Rego")}}
	policy := func(id string) Spec { return specOf(t, id, "package "+id+"\ndeny contains \""+id+"\"") }
	whole := policy("a")
	whole.Modules = append(whole.Modules, specOf(t, "a2", "package a\ndeny contains \"a2\"").Modules...)
	whole.Digest += "2"
	for _, c := range []struct {
		name          string
		before, after Bundle
		want, kept    string
	}{
		{"a policy", Bundle{Specs: []Spec{policy("a"), policy("b")}}, Bundle{Specs: []Spec{policy("b")}, Faults: broken}, "2 reasons:\n- a: a\n- b: b", "a"},
		{"every policy", Bundle{Specs: []Spec{policy("a"), policy("b")}}, Bundle{Faults: broken}, "2 reasons:\n- a: a\n- b: b", "a b"},
		{"a part of a policy", Bundle{Specs: []Spec{whole}}, Bundle{Specs: []Spec{policy("a")}, Faults: broken}, "2 reasons:\n- a: a\n- a: a2", "a"},
		{"an object", listed(policy("a"), policy("b")), Bundle{Specs: []Spec{policy("b")}, Faults: broken, Listed: true}, "2 reasons:\n- a: a\n- b: b", "a"},
		{
			"beside another policy's fault",
			Bundle{Specs: []Spec{policy("a"), policy("b")}},
			Bundle{Specs: []Spec{policy("b")}, Faults: Faults{{File: "c.rego", Policy: "c", Err: errors.New("c.rego:1: no rule")}}},
			"b: b", "",
		},
		{
			"beside an exception's fault",
			Bundle{Specs: []Spec{policy("a"), policy("b")}},
			Bundle{Specs: []Spec{policy("b")}, Faults: Faults{{File: "c.yaml", Exception: "shop/c", Err: errors.New("c.yaml:1: no end")}}},
			"b: b", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine, source := &Engine{}, make(feed)
			reports, _ := running(t, engine, source)
			source <- c.before
			<-reports
			source <- c.after
			if load := <-reports; refusal(t, engine) != c.want || strings.Join(load.Kept, " ") != c.kept {
				t.Errorf("%s; kept %v", refusal(t, engine), load.Kept)
			}
			source <- c.after // and as long as the fault is there
			if load := <-reports; refusal(t, engine) != c.want || strings.Join(load.Kept, " ") != c.kept {
				t.Errorf("later: %s; kept %v", refusal(t, engine), load.Kept)
			}
		})
	}
}

// Who may write objects must not be able to hold a file's policy in force by way of a faulty one.
func TestAFaultyObjectKeepsNoFilesPolicy(t *testing.T) {
	engine, files, api := &Engine{}, make(feed), make(feed)
	reports, _ := running(t, engine, files, api)
	a, b := specOf(t, "a", "package a\ndeny contains \"a\""), specOf(t, "b", "package b\ndeny contains \"b\"")
	files <- Bundle{Specs: []Spec{a, b}}
	api <- listed()
	<-reports
	api <- Bundle{Listed: true, Faults: Faults{{File: "configmap/x/y/z", Err: errors.New("configmap/x/y/z:1: not Rego")}}}
	<-reports
	files <- Bundle{Specs: []Spec{b}}
	if load := <-reports; refusal(t, engine) != "b: b" || len(load.Kept) > 0 {
		t.Errorf("%s; kept %v", refusal(t, engine), load.Kept)
	}
}

func TestNoPoliciesAreNotASetOfNone(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	source <- Bundle{}
	if load := <-reports; engine.Ready() == nil || load.Set != nil ||
		load.Faults.Error() != "there are no policies; what was in force, if anything, stays in force" {
		t.Errorf("%+v", load)
	}
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\"")}}
	<-reports
	source <- Bundle{}
	if load := <-reports; refusal(t, engine) != "a: a" || len(load.Faults) != 1 {
		t.Errorf("%+v", load)
	}
}

// What lies beside policies may be reason enough to serve, and is part of what the revision names.
func TestDocumentsThatSuffice(t *testing.T) {
	document := func(kind string) Document {
		object := &unstructured.Unstructured{}
		object.SetKind(kind)
		return Document{Object: object}
	}
	engine, reports, source := &Engine{}, make(chan Load), make(feed)
	loader := &Loader{Engine: engine, Sources: []Source{source}, Report: func(load Load) { reports <- load }, Suffice: func(d []Document) bool {
		return slices.ContainsFunc(d, func(d Document) bool { return d.Object.GetKind() == "Mutator" })
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loader.Run(ctx) }()
	revisions := map[string]bool{}
	for _, c := range []struct {
		documents []Document
		faults    int
	}{{nil, 1}, {[]Document{document("Other")}, 1}, {[]Document{document("Mutator")}, 0}, {[]Document{document("Other"), document("Mutator")}, 0}, {nil, 1}} {
		source <- Bundle{Documents: c.documents}
		load := <-reports
		if len(load.Faults) != c.faults {
			t.Errorf("%v: faults %v", c.documents, load.Faults)
		}
		if load.Set != nil {
			revisions[load.Set.Revision()] = true
		}
	}
	if len(revisions) != 2 {
		t.Errorf("%d revisions, want 2", len(revisions))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAFaultyPolicyKeepsItsLastGoodVersionAndTheOthersMoveOn(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	source <- Bundle{Specs: []Spec{
		specOf(t, "a", "package a\ndeny contains \"a1\""), specOf(t, "b", "package b\ndeny contains \"b1\""), specOf(t, "c", "package c\ndeny contains \"c1\""),
	}}
	<-reports
	// a no longer compiles, b is new, and c's file cannot even be parsed.
	source <- Bundle{
		Specs:  []Spec{specOf(t, "a", "package a\ndeny contains nothing"), specOf(t, "b", "package b\ndeny contains \"b2\"")},
		Faults: Faults{{File: "c.rego", Err: errors.New("c.rego:1: not Rego")}},
	}
	load := <-reports
	if got := refusal(t, engine); got != "3 reasons:\n- a: a1\n- b: b2\n- c: c1" {
		t.Error(got)
	}
	if got := load.Faults.Error(); got != "c.rego:1: not Rego\na.rego:2: var nothing is unsafe" {
		t.Errorf("faults: %s", got)
	}
	if strings.Join(load.Kept, " ") != "a c" {
		t.Errorf("kept %v", load.Kept)
	}
	// A policy that is taken away is gone, and so is the fault of one that is good again.
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a3\"")}}
	load = <-reports
	if got := refusal(t, engine); got != "a: a3" || len(load.Faults) > 0 {
		t.Error(got, load.Faults)
	}
}

func TestTheFirstSetIsPutInForceWholeOrNotAtAll(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	_, ended := running(t, engine, source)
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\""), specOf(t, "b", "package b\ndeny contains nothing")}}
	if err := <-ended; err == nil || err.Error() != "b.rego:2: var nothing is unsafe" {
		t.Errorf("%v", err)
	}
	if engine.Set() != nil {
		t.Error("a part of the policies was put in force")
	}
}

func TestUnchangedPoliciesAreNotCompiledAgain(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	a := specOf(t, "a", "package a\ndeny contains \"a\"")
	source <- Bundle{Specs: []Spec{a}}
	before := (<-reports).Set.policies[0]
	source <- Bundle{Specs: []Spec{a, specOf(t, "b", "package b\ndeny contains \"b\"")}}
	if after := (<-reports).Set.policies[0]; after != before {
		t.Error("an unchanged policy was compiled again")
	}
}

func TestTwoPoliciesOfOneNameAreBothRefused(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	source <- Bundle{Specs: []Spec{specOf(t, "b", "package b\ndeny contains \"b\"")}}
	<-reports
	one, two := specOf(t, "a", "package a\ndeny contains \"one\""), specOf(t, "a", "package a\ndeny contains \"two\"")
	one.File, two.File = "one.rego", "two.rego"
	source <- Bundle{Specs: []Spec{one, two, specOf(t, "b", "package b\ndeny contains \"b\"")}}
	load := <-reports
	want := "one.rego: policy a is also defined in two.rego; give one of them another name\n" +
		"two.rego: policy a is also defined in one.rego; give one of them another name"
	if load.Faults.Error() != want || len(load.Set.Policies()) != 1 {
		t.Error(load.Faults)
	}
}

func TestPoliciesThatContradictEachOtherAreFoundAtLoad(t *testing.T) {
	mutate := func(id, edit string, change ...func(*Spec)) Spec {
		return specOf(t, id, "package "+id+"\n\nmutate contains "+edit, append(change, at(review.Mutate, "mutate"), on(Resource{Resource: "pods"}))...)
	}
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	source <- Bundle{Specs: []Spec{mutate("a", `{"set": ["x"], "value": 1}`)}}
	<-reports
	elsewhere := func(s *Spec) { s.Match.Namespaces = []Glob{"elsewhere"} }
	source <- Bundle{Specs: []Spec{
		mutate("a", `{"set": ["x"], "value": 1}`),
		mutate("alike", `{"set": ["x"], "value": 1}`),
		mutate("contrary", `{"set": ["x"], "value": 2}`),
		mutate("elsewhere", `{"set": ["x"], "value": 2}`, elsewhere),
		mutate("sometimes", `{"set": ["x"], "value": 2} if input.request.object.y`),
		mutate("other", `{"set": ["y"], "value": 2}`),
	}}
	load := <-reports
	want := `contrary.rego:3: policies contrary and a set ["x"] to different values whenever they are asked; the other does so at a.rego:3` + "\n" +
		`contrary.rego:3: policies contrary and alike set ["x"] to different values whenever they are asked; the other does so at alike.rego:3`
	if load.Faults.Error() != want || len(load.Set.Policies()) != 5 {
		t.Errorf("%v\n%d policies", load.Faults, len(load.Set.Policies()))
	}
}

func TestASourceThatFailsEndsTheLoader(t *testing.T) {
	fault := errors.New("no such directory")
	_, ended := running(t, &Engine{}, SourceFunc(func(context.Context, func(Bundle)) error { return fault }))
	if err := <-ended; !errors.Is(err, fault) {
		t.Error(err)
	}
}

func TestTheRevisionTellsSetsApart(t *testing.T) {
	a, b := specOf(t, "a", "package a\ndeny contains \"a\""), specOf(t, "b", "package b\ndeny contains \"b\"")
	one, again, two := compiled(t, a).Revision(), compiled(t, a).Revision(), compiled(t, a, b).Revision()
	if one != again || one == two {
		t.Error("equal sets should have equal revisions, others not")
	}
}

// What a Set needs is prepared before the Set answers.
func TestALoaderPreparesASetBeforeItIsInForce(t *testing.T) {
	engine := &Engine{}
	prepared := make(chan bool, 1)
	loader := &Loader{
		Engine: engine,
		Sources: []Source{SourceFunc(func(_ context.Context, yield func(Bundle)) error {
			yield(Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\"")}})
			return errors.New("that was all")
		})},
		Prepare: func(_ context.Context, next *Set) { prepared <- engine.Set() == nil && len(next.Policies()) == 1 },
	}
	if err := loader.Run(t.Context()); err == nil || !<-prepared || engine.Set() == nil {
		t.Errorf("%v", err)
	}
}

func TestALoadNamesWhatChanged(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	policy := func(id, message string) Spec { return specOf(t, id, "package "+id+"\ndeny contains \""+message+"\"") }
	for _, step := range []struct {
		bundle                        Bundle
		added, changed, removed, kept string
	}{
		{Bundle{Specs: []Spec{policy("b", "1"), policy("a", "1")}}, "a b", "", "", ""},
		{Bundle{Specs: []Spec{policy("b", "1"), policy("a", "1")}}, "", "", "", ""},
		{Bundle{Specs: []Spec{policy("c", "1"), policy("b", "2"), policy("a", "1")}}, "c", "b", "", ""},
		{Bundle{Specs: []Spec{policy("b", "2"), policy("d", "1")}, Faults: Faults{{File: "c.rego", Err: errors.New("c.rego:1: not Rego")}}}, "d", "", "", "a c"},
		{Bundle{Specs: []Spec{policy("b", "2"), policy("d", "1")}}, "", "", "a c", ""},
		{Bundle{}, "", "", "", ""}, // what was in force stays in force
	} {
		source <- step.bundle
		load := <-reports
		for what, names := range map[string][2]string{
			"added":   {strings.Join(load.Added, " "), step.added},
			"changed": {strings.Join(load.Changed, " "), step.changed},
			"removed": {strings.Join(load.Removed, " "), step.removed},
			"kept":    {strings.Join(load.Kept, " "), step.kept},
		} {
			if names[0] != names[1] {
				t.Errorf("%s: %q, want %q", what, names[0], names[1])
			}
		}
	}
}

func TestAPolicyTheGateRefusesIsAFaultLikeAnyOther(t *testing.T) {
	engine, source, reports := &Engine{}, make(feed), make(chan Load, 16)
	asked := map[string]int{}
	loader := &Loader{
		Engine: engine, Sources: []Source{source}, Report: func(l Load) { reports <- l },
		Gate: func(_ context.Context, p *Policy) error {
			asked[p.Spec().ID+p.Spec().Digest]++
			if strings.Contains(p.Spec().Modules[0].String(), "poison") {
				return errors.New("it is poison")
			}
			return nil
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go loader.Run(ctx)
	source <- listed(specOf(t, "a", "package a\ndeny contains \"first\""), specOf(t, "b", "package b\ndeny contains \"poison\""))
	load := <-reports
	if len(load.Faults) != 1 || load.Faults[0].Policy != "b" || load.Faults[0].Err.Error() != "it is poison" || refusal(t, engine) != "a: first" {
		t.Errorf("%v; %s", load.Faults, refusal(t, engine))
	}
	source <- listed(specOf(t, "a", "package a\ndeny contains \"poison\""))
	if load = <-reports; len(load.Kept) != 1 || refusal(t, engine) != "a: first" {
		t.Errorf("kept %v; %s", load.Kept, refusal(t, engine))
	}
	source <- listed(specOf(t, "a", "package a\ndeny contains \"first\""))
	<-reports
	for policy, n := range asked {
		if n != 1 {
			t.Errorf("the gate was asked about %s %d times", policy, n)
		}
	}
}
