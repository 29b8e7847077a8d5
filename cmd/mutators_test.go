package cmd

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/source"
	"github.com/portcullis-dev/portcullis/review"
	"github.com/portcullis-dev/portcullis/webhook/registration"
)

// labelling is a document of an AssignMetadata.
func labelling(name, label, value string) string {
	return "apiVersion: mutations.gatekeeper.sh/v1\nkind: AssignMetadata\nmetadata: {name: " + name + "}\nspec:\n  location: metadata.labels." +
		label + "\n  parameters: {assign: {value: " + value + "}}\n---\n"
}

// readingOf is what a source finds in files.
func readingOf(t *testing.T, files map[string]string) policies.Bundle {
	t.Helper()
	dir := writeFiles(t, files)
	reader, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	from := source.Files{Reader: reader, Paths: []string{dir}}
	bundle, err := from.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range bundle.Documents { // each load of a test has a directory of its own
		bundle.Documents[i].File = filepath.Base(bundle.Documents[i].File)
	}
	for i := range bundle.Faults {
		bundle.Faults[i].File = filepath.Base(bundle.Faults[i].File)
	}
	return bundle
}

// The last good version of a mutator stays in force, whatever is wrong with what is there now; and what is wrong is a fault of the load.
func TestMutatorsKeepTheirLastGoodVersion(t *testing.T) {
	a, b := labelling("a", "a", "first"), labelling("b", "b", "first")
	good := map[string]string{"a.yaml": a, "b.yaml": b}
	list := "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: list}\nspec:\n  applyTo: [{groups: [\"\"], versions: [v1], kinds: [Pod]}]\n" +
		"  location: 'spec.x[name: a].y'\n  parameters: {assign: {value: 1}}\n---\n"
	object := strings.NewReplacer("name: list", "name: object", "'spec.x[name: a].y'", "spec.x.y").Replace(list)
	for name, test := range map[string]struct {
		before, now map[string]string
		fault       string // in one of the faults; "" for none
		want        []string
	}{
		"another value": {good, map[string]string{"a.yaml": labelling("a", "a", "second"), "b.yaml": b}, "", []string{"AssignMetadata/a second", "AssignMetadata/b first"}},
		"taken away":    {good, map[string]string{"a.yaml": a}, "", []string{"AssignMetadata/a first"}},
		"faulty": {
			good,
			map[string]string{"a.yaml": strings.Replace(a, "location", "locations", 1), "b.yaml": labelling("b", "b", "second")},
			"a.yaml:5: AssignMetadata a: spec.locations: there is no such field",
			[]string{"AssignMetadata/a first", "AssignMetadata/b second"},
		},
		"unreadable":     {good, map[string]string{"a.yaml": "a: [", "b.yaml": b}, "a.yaml:1: ", []string{"AssignMetadata/a first", "AssignMetadata/b first"}},
		"a second":       {good, map[string]string{"a.yaml": a, "b.yaml": b, "c.yaml": labelling("a", "a", "second")}, "it is also defined in", []string{"AssignMetadata/a first", "AssignMetadata/b first"}},
		"one more":       {good, map[string]string{"a.yaml": a, "b.yaml": b, "c.yaml": labelling("c", "c", "x")}, "", []string{"AssignMetadata/a first", "AssignMetadata/b first", "AssignMetadata/c x"}},
		"contrary":       {map[string]string{"l.yaml": list}, map[string]string{"l.yaml": list, "o.yaml": object}, "spec.x is an object", []string{"Assign/list 1"}},
		"contrary anew":  {map[string]string{"a.yaml": a}, map[string]string{"a.yaml": a, "l.yaml": list, "o.yaml": object}, "spec.x is an object", []string{"AssignMetadata/a first"}},
		"turned about":   {map[string]string{"l.yaml": list}, map[string]string{"o.yaml": object}, "", []string{"Assign/object 1"}},
		"nothing at all": {map[string]string{"a.yaml": a}, map[string]string{"empty.yaml": ""}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Mutators{log: slog.New(slog.DiscardHandler)}
			if err := m.ready(); err == nil {
				t.Error("ready before anything was loaded")
			}
			for i, files := range []map[string]string{test.before, test.now} {
				found := readingOf(t, files)
				_, faults := m.take(found, nil)
				faults = append(faults, found.Faults...)
				wanted := i == 1 && test.fault != ""
				if told := strings.Contains(faults.Error(), test.fault) && len(faults) > 0; told != wanted {
					t.Errorf("faults %v", faults)
				}
			}
			var got []string
			for _, one := range m.current.Load().members() {
				got = append(got, one.Name()+" "+valueOf(t, one))
			}
			slices.Sort(got)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// valueOf is what a mutator sets, as far as it can be told from the patch of a Pod.
func valueOf(t *testing.T, m *mutator) string {
	t.Helper()
	set, faults := newMutatorSet([]*mutator{m})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	engine := &policies.Engine{}
	engine.Use(policies.NewSet(nil))
	alone := &Mutators{}
	alone.current.Store(set)
	d, err := Answers(engine, alone)(review.Mutate).Review(t.Context(), podRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"first", "second", "x", "1"} {
		if bytes.Contains(d.Patch, []byte(`:"`+value+`"}`)) || bytes.Contains(d.Patch, []byte(":"+value+"}")) {
			return value
		}
	}
	return string(d.Patch)
}

func podRequest(t *testing.T) *review.Request {
	t.Helper()
	req, _, err := review.DialectMutate([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",
		"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","name":"web",
		"userInfo":{"username":"u"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"},"spec":{}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Nobody has an answer before both policies and mutators are there: "nothing to change" would be one.
func TestMutatorsBeforeTheyAreLoaded(t *testing.T) {
	engine := &policies.Engine{}
	engine.Use(policies.NewSet(nil))
	if d, err := Answers(engine, &Mutators{})(review.Mutate).Review(t.Context(), podRequest(t)); err == nil {
		t.Errorf("answered %+v", d)
	}
	a := &assembly{engine: engine, theirs: &Mutators{}}
	if err := a.loaded(); err == nil || err.Error() != "no answer is available now: no mutators are loaded yet" {
		t.Errorf("ready: %v", err)
	}
}

// A mutator that asks for a namespace's labels waits for one that was created a moment ago, and one that does not ask does not.
func TestMutatorsWaitForTheirNamespace(t *testing.T) {
	selecting := strings.Replace(labelling("a", "a", "first"), "spec:\n", "spec:\n  match: {namespaceSelector: {matchLabels: {team: a}}}\n", 1)
	for name, test := range map[string]struct {
		document string
		waits    int
	}{"it asks": {selecting, 1}, "it does not": {labelling("a", "a", "first"), 0}} {
		t.Run(name, func(t *testing.T) {
			var known sync.Map
			waits := 0
			m := &Mutators{log: slog.New(slog.DiscardHandler)}
			m.namespaces = func(name string) (policies.Namespace, bool) {
				_, ok := known.Load(name)
				return policies.Namespace{Labels: map[string]string{"team": "a"}}, ok
			}
			m.await = func(_ context.Context, req *review.Request) {
				waits++
				known.Store(req.Target.Namespace, true)
			}
			m.take(readingOf(t, map[string]string{"a.yaml": test.document}), nil)
			engine := &policies.Engine{}
			engine.Use(policies.NewSet(nil))
			d, err := Answers(engine, m)(review.Mutate).Review(t.Context(), podRequest(t))
			if err != nil || len(d.Patch) == 0 || waits != test.waits {
				t.Errorf("%s, %v, waited %d times", d.Patch, err, waits)
			}
		})
	}
}

func TestInterestsOfMutators(t *testing.T) {
	pods := []registration.Resource{{Resource: "pods"}, {Resource: "pods", Subresource: "ephemeralcontainers"}, {Resource: "pods", Subresource: "resize"}}
	assign := "apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\nspec:\n  applyTo: [{groups: GROUPS, versions: [v1, v2], kinds: KINDS}]\n" +
		"  location: spec.x\n  parameters: {assign: {value: 1}}\n"
	applied := func(groups, kinds string) string {
		return strings.NewReplacer("GROUPS", groups, "KINDS", kinds).Replace(assign)
	}
	matched := func(match string) string {
		return strings.Replace(labelling("a", "a", "x"), "spec:\n", "spec:\n  match: "+match+"\n", 1)
	}
	for name, test := range map[string]struct {
		document string
		names    bool
		want     []registration.Resource
	}{
		"what it applies to":     {applied(`[""]`, "[Pod]"), true, pods},
		"an asterisk is no wish": {applied(`["", "*"]`, "[Pod, '*']"), true, pods},
		"all kinds":              {labelling("a", "a", "x"), false, registration.GuessResources(wantedKinds(policies.Spec{Convention: policies.Gatekeeper}, nil))},
		"the kinds of its match": {matched(`{kinds: [{kinds: [Pod], apiGroups: [""]}]}`), true, pods},
		"kinds of any group": {
			matched(`{kinds: [{apiGroups: [apps]}]}`), false, []registration.Resource{{Group: "apps", Resource: "*"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			load := readingOf(t, map[string]string{"a.yaml": test.document})
			set, faults := mutatorsIn(load.Documents, surroundings{})
			if len(faults) > 0 || len(set.members()) != 1 {
				t.Fatalf("%v", faults)
			}
			m := set.members()[0]
			want := registration.Interest{Phase: registration.Mutate, Resources: test.want, Operations: wantedOperations([]string{"create", "update"})}
			if got := m.interest(registration.GuessResources); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
			if m.namesKinds() != test.names {
				t.Errorf("it names kinds: %v", m.namesKinds())
			}
		})
	}
}

// What is saved is in force a moment later, and what a server of mutators alone has lost it keeps.
func TestServeMutators(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.yaml": labelling("a", "a", "first")})
	save := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	metrics, err := NewMetrics(log)
	if err != nil {
		t.Fatal(err)
	}
	a := &assembly{serveFlags: &serveFlags{policies: policyFlags{from: []string{dir}}}, log: log, metrics: metrics, engine: &policies.Engine{}}
	if err := a.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.parts[0](ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	answer := Answers(a.engine, a.theirs)(review.Mutate)
	patched := func(want string) func() bool {
		return func() bool {
			d, err := answer.Review(t.Context(), podRequest(t))
			return err == nil && strings.Contains(string(d.Patch), want)
		}
	}
	eventually(t, "the mutator is in force", patched(`"first"`))
	revision := a.engine.Set().Revision()
	save("a.yaml", labelling("a", "a", "second"))
	eventually(t, "the saved mutator is in force", patched(`"second"`))
	eventually(t, "the revision is another", func() bool { return a.engine.Set().Revision() != revision })
	save("a.yaml", "kind: [")
	note := func() string { return a.checks[len(a.checks)-1].Note() }
	eventually(t, "the fault is told", func() bool {
		return strings.Contains(note(), "a server that is started now ends at once: "+filepath.Join(dir, "a.yaml"))
	})
	if !patched(`"second"`)() {
		t.Error("the last good version is gone")
	}
	save("a.yaml", strings.Replace(labelling("a", "a", "third"), "location", "locations", 1))
	eventually(t, "the other fault is told", func() bool { return strings.Contains(note(), "AssignMetadata a: spec.locations") })
	if !patched(`"second"`)() {
		t.Error("the last good version is gone")
	}
	eventually(t, "it is logged, too", func() bool { return strings.Contains(out.String(), `policy=AssignMetadata/a`) })
	if text := out.String(); !strings.Contains(text, `msg="mutators are in force" mutators=1 changed=AssignMetadata/a`) || strings.Contains(text, "not in force") {
		t.Errorf("the log:\n%s", text)
	}
}

// A mutator that is faulty when a server starts has the version before that was kept for it, and no longer than it is there.
func TestMutatorsTakeTheVersionThatWasKept(t *testing.T) {
	good, faulty := labelling("a", "a", "first"), strings.Replace(labelling("a", "a", "second"), "location", "place", 1)
	for name, c := range map[string]struct {
		now  map[string]string
		want int
	}{
		"faulty": {map[string]string{"a.yaml": faulty}, 1},
		"gone":   {map[string]string{"a.yaml": labelling("b", "b", "x")}, 1},
		"mended": {map[string]string{"a.yaml": labelling("a", "a", "third")}, 1},
	} {
		m := &Mutators{log: slog.New(slog.DiscardHandler)}
		load := readingOf(t, c.now)
		load.EarlierDocuments = readingOf(t, map[string]string{"a.yaml": good}).Documents
		_, _ = m.take(load, nil)
		versions := map[string]string{}
		m.current.Load().versions(versions)
		before := &Mutators{log: slog.New(slog.DiscardHandler)}
		_, _ = before.take(readingOf(t, map[string]string{"a.yaml": good}), nil)
		old := map[string]string{}
		before.current.Load().versions(old)
		kept := false
		for id, version := range old {
			kept = kept || versions[id] == version
		}
		if len(versions) != c.want || kept != (name == "faulty") {
			t.Errorf("%s: in force are %v, of before was %v", name, versions, old)
		}
	}
}
