package policies

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/review"
)

// listed is a Bundle of an API that lists completely.
func listed(specs ...Spec) Bundle { return Bundle{Specs: specs, Listed: true} }

func TestAnAPIThatListsNoPoliciesMeansThatThereAreNone(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	source <- listed()
	if load := <-reports; engine.Ready() != nil || load.Set == nil || len(load.Faults) > 0 || refusal(t, engine) != "" {
		t.Errorf("%+v", load)
	}
	source <- listed(specOf(t, "a", "package a\ndeny contains \"a\""))
	<-reports
	if got := refusal(t, engine); got != "a: a" {
		t.Error(got)
	}
	source <- listed()
	if load := <-reports; refusal(t, engine) != "" || len(load.Faults) > 0 {
		t.Errorf("%+v", load)
	}
}

// A directory in which there is nothing yet is no word that there are no policies, whatever an API lists beside it.
func TestAnEmptyDirectoryBesideAnAPIIsNotASetOfNone(t *testing.T) {
	engine, files, api := &Engine{}, make(feed), make(feed)
	reports, _ := running(t, engine, files, api)
	files <- Bundle{}
	api <- listed()
	if load := <-reports; engine.Ready() == nil || len(load.Faults) != 1 {
		t.Errorf("%+v", load)
	}
}

func TestAFaultyObjectDoesNotKeepAServerFromStarting(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	bundle := listed(specOf(t, "a", "package a\ndeny contains nothing"), specOf(t, "b", "package b\ndeny contains \"b1\""))
	bundle.Faults = Faults{{File: "policy/c", Policy: "c", Err: errors.New("policy/c:1: not Rego")}}
	source <- bundle
	load := <-reports
	if got := refusal(t, engine); got != "b: b1" || load.Faults.Error() != "policy/c:1: not Rego\na.rego:2: var nothing is unsafe" || len(load.Kept) > 0 {
		t.Error(got, load.Faults, load.Kept)
	}
	source <- listed(specOf(t, "a", "package a\ndeny contains \"a\""), specOf(t, "b", "package b\ndeny contains nothing"))
	load = <-reports
	if got := refusal(t, engine); got != "2 reasons:\n- a: a\n- b: b1" || strings.Join(load.Kept, " ") != "b" {
		t.Error(got, load.Kept)
	}
}

func TestAFaultyFileBesideAnAPIKeepsTheServerFromStarting(t *testing.T) {
	engine, files, api := &Engine{}, make(feed), make(feed)
	_, ended := running(t, engine, files, api)
	api <- listed(specOf(t, "b", "package b\ndeny contains nothing"))
	files <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains nothing")}}
	if err := <-ended; err == nil || err.Error() != "a.rego:2: var nothing is unsafe" {
		t.Errorf("%v", err)
	}
}

// Who may write objects must not be able to put a file's policy out of force, at the start or later.
func TestAnObjectCannotDisplaceAFilesPolicy(t *testing.T) {
	mutate := func(id string, value int) Spec {
		return specOf(t, id, fmt.Sprintf("package %s\n\nmutate contains {\"set\": [\"x\"], \"value\": %d}", id, value),
			at(review.Mutate, "mutate"), on(Resource{Resource: "pods"}))
	}
	engine, files, api := &Engine{}, make(feed), make(feed)
	reports, _ := running(t, engine, api, files)
	theirs := specOf(t, "a", "package a\ndeny contains \"theirs\"")
	theirs.File = "policy/a"
	api <- listed(theirs, mutate("b", 2))
	files <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"ours\""), mutate("c", 1)}}
	load := <-reports
	want := "policy/a: policy a is also defined in a.rego; give one of them another name\n" +
		`b.rego:3: policies b and c set ["x"] to different values whenever they are asked; the other does so at c.rego:3`
	if got := refusal(t, engine); got != "a: ours" || load.Faults.Error() != want {
		t.Errorf("%s\n%v", got, load.Faults)
	}
}

func TestExceptionsComeAndGoWithTheirBundle(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	a := specOf(t, "a", "package a\ndeny contains \"a\"")
	lasting := exception(func(e *Exception) { e.Expires = time.Now().Add(time.Hour) })
	for _, c := range []struct {
		bundle Bundle
		want   string
	}{
		{Bundle{Specs: []Spec{a}, Exceptions: []Exception{lasting}}, ""},
		{Bundle{Specs: []Spec{a}}, "a: a"},
		{Bundle{Specs: []Spec{a}, Faults: Faults{{File: a.File, Exception: "shop/legacy", Err: errors.New("a.rego:1: no end")}}}, "a: a"},
	} {
		source <- c.bundle
		if load := <-reports; refusal(t, engine) != c.want || len(load.Kept) > 0 {
			t.Errorf("%q, want %q; kept %v", refusal(t, engine), c.want, load.Kept)
		}
	}
}
