package source

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
	"github.com/portcullis-dev/portcullis/policies/native"
)

// theirServer is a server that has read these objects of Gatekeeper's, beside what a Secret has of them.
type theirServer struct {
	*Gatekeeper
	engine *policies.Engine
}

var errLoaded = errors.New("all is loaded")

func startTheirs(t *testing.T, files []native.File, earlier ...native.File) *theirServer {
	t.Helper()
	s := &theirServer{&Gatekeeper{Reader: &gatekeeper.Reader{}, Log: slog.New(slog.DiscardHandler)}, &policies.Engine{}}
	s.load(t, earlier, files)
	return s
}

// load has it read each list of files after the other.
func (s *theirServer) load(t *testing.T, earlier []native.File, lists ...[]native.File) {
	t.Helper()
	loader := &policies.Loader{Engine: s.engine, Report: s.Loaded, Sources: []policies.Source{policies.SourceFunc(func(ctx context.Context, yield func(policies.Bundle)) error {
		for _, files := range lists {
			bundle := s.bundle(files, s.Reader.Read(ctx, gatekeeperDocuments(files)), nil)
			s.remember(ctx, &bundle, files, earlier)
			yield(bundle)
			s.settle(files)
		}
		return errLoaded
	})}}
	if err := loader.Run(t.Context()); err != errLoaded { //nolint:errorlint // it is this very one
		t.Fatal(err)
	}
}

// serves lists what is in force.
func (s *theirServer) serves() string {
	var out []string
	for _, p := range s.engine.Set().Policies() {
		out = append(out, p.Spec().ID+" "+p.Spec().Modules[0].Rules[0].String())
	}
	return strings.Join(out, "\n")
}

// kept is what of a Secret with these data is read for Gatekeeper.
func kept(t *testing.T, data map[string]string) []native.File {
	t.Helper()
	k := lastGoodKind(fakeCluster(t), types.NamespacedName{Namespace: "default", Name: "kept"}, slog.New(slog.DiscardHandler), make(chan struct{}, 1), theirFileOf)
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret"}}
	u.SetName("kept")
	u.SetLabels(map[string]string{managedBy: manager})
	if err := unstructured.SetNestedStringMap(u.Object, data, "data"); err != nil {
		t.Fatal(err)
	}
	return k.files(u)
}

func filesOfTexts(t *testing.T, objects ...string) (out []native.File) {
	t.Helper()
	for _, text := range objects {
		out = append(out, gatekeeperFile(object(t, text)))
	}
	return out
}

// A template, or a constraint, that became faulty has its version before in force, also on a server that is started then; and no longer than it is
// faulty.
func TestAServerThatStartsFindsTheLastGoodTemplate(t *testing.T) {
	good := filesOfTexts(t, aTemplate("Refuses", "one", ""), aConstraint("Refuses", "all", "{}"))
	torn := filesOfTexts(t, strings.Replace(aTemplate("Refuses", "two", ""), "violation", "violation(", 1), aConstraint("Refuses", "all", "{}"))
	wrong := filesOfTexts(t, aTemplate("Refuses", "one", ""), aConstraint("Refuses", "all", "{match: {scope: 7}}"))
	for name, c := range map[string]struct {
		faulty []native.File
		key    string
	}{
		"a template":   {torn, "gatekeeper_constrainttemplate_refuses"},
		"a constraint": {wrong, "gatekeeper_refuses_all"},
	} {
		first := startTheirs(t, good)
		want := first.serves()
		if data, full, err := entries(nil, first.stalled(nil)); err != nil || len(data)+len(full) > 0 {
			t.Errorf("%s: while nothing is faulty there is kept %v, %v, %v", name, slices.Collect(maps.Keys(data)), full, err)
		}
		first.load(t, nil, c.faulty)
		if got := first.serves(); got != want {
			t.Errorf("%s: the server that saw it\ngot  %s\nwant %s", name, got, want)
		}
		data, full, err := entries(nil, first.stalled(nil))
		if err != nil || len(full) > 0 || len(data) != 1 || data[c.key] == "" {
			t.Fatalf("%s: kept are %v, %v, %v", name, slices.Collect(maps.Keys(data)), full, err)
		}
		second := startTheirs(t, c.faulty, kept(t, data)...)
		if got := second.serves(); got != want {
			t.Errorf("%s: one that is started\ngot  %s\nwant %s", name, got, want)
		}
		if got := startTheirs(t, c.faulty).serves(); got != "" {
			t.Errorf("%s: without what was kept there is %s", name, got)
		}
		// Its leader, which never saw the good one, leaves it there until it is mended.
		if again, _, err := entries(data, second.stalled(data)); err != nil || !maps.Equal(again, data) {
			t.Errorf("%s: kept are then %v, %v", name, slices.Collect(maps.Keys(again)), err)
		}
		unheard := &Gatekeeper{}
		if again, _, err := entries(data, unheard.stalled(data)); err != nil || !maps.Equal(again, data) {
			t.Errorf("%s: before anything is listed, kept are %v, %v", name, slices.Collect(maps.Keys(again)), err)
		}
		second.load(t, kept(t, data), good)
		if again, _, err := entries(data, second.stalled(data)); err != nil || len(again) > 0 {
			t.Errorf("%s: once mended, kept are %v, %v", name, slices.Collect(maps.Keys(again)), err)
		}
		if got := second.serves(); got != want {
			t.Errorf("%s: once mended\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// What is kept under one name puts nothing else in force, and what is not there any more stays gone.
func TestWhatIsKeptOfTheirsSpeaksOfItselfAlone(t *testing.T) {
	torn := filesOfTexts(t, strings.Replace(aTemplate("Refuses", "two", ""), "violation", "violation(", 1), aConstraint("Refuses", "all", "{}"))
	other := filesOfTexts(t, aTemplate("Other", "forged", ""))[0]
	other.Name = torn[0].Name
	gone := filesOfTexts(t, aTemplate("Gone", "gone", ""))[0]
	g := &Gatekeeper{Reader: &gatekeeper.Reader{}}
	var bundle policies.Bundle
	if g.remember(t.Context(), &bundle, torn, []native.File{other, gone}); len(bundle.Earlier)+len(bundle.EarlierDocuments) > 0 {
		t.Errorf("%+v", bundle)
	}
	if got := kept(t, map[string]string{"mine": base64.StdEncoding.EncodeToString([]byte("a Policy's"))}); len(got) > 0 {
		t.Errorf("a Policy is read as %+v", got)
	}
}

// Policies have room before Gatekeeper's objects, whatever they are called.
func TestPoliciesHaveRoomFirst(t *testing.T) {
	before := map[string]string{"z": strings.Repeat("x", maxEntries-1), "gatekeeper_refuses_all": "xx"}
	out, full, err := entries(before, map[string]stalled{"z": {}}, map[string]stalled{"gatekeeper_refuses_all": {}})
	if err != nil || out["z"] == "" || len(out) != 1 || strings.Join(full, " ") != "gatekeeper_refuses_all" {
		t.Errorf("%v, %v, %v", slices.Collect(maps.Keys(out)), full, err)
	}
}

func TestKeysOfGatekeepersObjects(t *testing.T) {
	for file, want := range map[string]string{
		"constrainttemplate/a": "gatekeeper_constrainttemplate_a", "owner/a.b-c": "gatekeeper_owner_a.b-c", "assign/a": "gatekeeper_assign_a",
		"config/gatekeeper-system/config": "", "provider/a": "", "syncset/a": "", "expansiontemplate/a": "", "none": "",
		"owner/" + strings.Repeat("a", maxKey): "",
	} {
		key, ok := theirKeyOf(file)
		if ok != (want != "") || ok && key != want {
			t.Errorf("%s: %s, %v", file, key, ok)
		}
		if back, known := theirFileOf(key); ok && (!known || back != file) {
			t.Errorf("%s is read as %s", key, back)
		}
	}
}
