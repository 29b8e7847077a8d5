package policies

import (
	"context"
	"slices"
	"testing"
)

func TestAPolicyWhoseTestFailsKeepsItsLastGoodVersion(t *testing.T) {
	engine, source := &Engine{}, make(feed)
	reports, _ := running(t, engine, source)
	other := specOf(t, "b", "package b\ndeny contains \"b1\"")
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a1\"\n\ntest_a if count(deny) == 1"), other}}
	if load := <-reports; len(load.Faults) > 0 {
		t.Fatal(load.Faults)
	}
	failing := specOf(t, "a", "package a\ndeny contains \"a2\"\n\ntest_a if count(deny) == 1\n\ntest_b if count(deny) == 2\n\ntest_c if false")
	other = specOf(t, "b", "package b\ndeny contains \"b2\"")
	source <- Bundle{Specs: []Spec{failing, other}}
	load := <-reports
	if want := "a.rego:6: test test_b fails\na.rego:8: test test_c fails"; load.Faults.Error() != want || len(load.Faults) != 1 || load.Faults[0].Policy != "a" {
		t.Errorf("got  %s\nwant %s", load.Faults, want)
	}
	if !slices.Equal(load.Kept, []string{"a"}) {
		t.Errorf("kept %v", load.Kept)
	}
	if got := refusal(t, engine); got != "2 reasons:\n- a: a1\n- b: b2" {
		t.Error(got)
	}
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a3\"\n\ntest_a if count(deny) == 1"), other}}
	if load := <-reports; len(load.Faults) > 0 || refusal(t, engine) != "2 reasons:\n- a: a3\n- b: b2" {
		t.Error(load.Faults, refusal(t, engine))
	}
}

func TestAServerDoesNotBeginWithATestThatFails(t *testing.T) {
	source := make(feed)
	_, ended := running(t, &Engine{}, source)
	source <- Bundle{Specs: []Spec{specOf(t, "a", "package a\ndeny contains \"a\"\n\ntest_a if false")}}
	if err := <-ended; err == nil || err.Error() != "a.rego:4: test test_a fails" {
		t.Error(err)
	}
}

// What has not changed is what was tested. A test that is put beside it behind its back is not run, as the policy is not read again.
func TestUnchangedPoliciesAreNotTestedAgain(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	good := specOf(t, "a", "package a\ndeny contains \"a\"")
	set := compiled(t, good)
	failing := specOf(t, "a", "package a\ndeny contains \"a\"\n\ntest_a if false")
	failing.Digest = good.Digest
	if _, faults := new(Loader).compileChanged(ctx, []Spec{failing}, set); len(faults) > 0 {
		t.Errorf("it was: %v", faults)
	}
	failing.Digest = "another"
	if _, faults := new(Loader).compileChanged(ctx, []Spec{failing}, set); len(faults) != 1 {
		t.Errorf("what has changed was not: %v", faults)
	}
}

// Policies of one Code are one text with one set of tests.
func TestPoliciesOfOneCodeAreTestedOnce(t *testing.T) {
	one, two := specOf(t, "a", "package a\ndeny contains \"a\"\n\ntest_a if false"), specOf(t, "a", "package a\ndeny contains \"a\"\n\ntest_a if false")
	one.ID, one.Code, two.ID, two.Code = "one", "code", "two", "code"
	_, err := Compile(t.Context(), []Spec{one, two})
	if err == nil || err.Error() != "a.rego:4: test test_a fails" {
		t.Error(err)
	}
}
