package native

import (
	"slices"
	"testing"
)

func TestTestsAreShownBesideTheirPolicy(t *testing.T) {
	const rego = "# METADATA\n# custom:\n#   portcullis: {match: {resources: [pods]}}\npackage team.a\n\ndeny contains \"a\" if false\n"
	specs, faults := read(t, "a.rego", rego, "a_test.rego", "# Of a.\npackage team.a_test\n\ntest_a if true\n", "deep/A_Test.rego", "package team.a\n\nno Rego at all",
		"other_test.rego", "package team.b_test\n", "empty_test.rego", "")
	if len(faults) > 0 || len(specs) != 1 {
		t.Fatal(specs, faults)
	}
	var names []string
	for _, text := range specs[0].Tests {
		names = append(names, text.File)
	}
	if want := []string{"deep/A_Test.rego", "a_test.rego"}; !slices.Equal(names, want) {
		t.Errorf("tests of %q", names)
	}
	again, _ := read(t, "a.rego", rego)
	if len(again[0].Tests) > 0 || again[0].Digest != specs[0].Digest {
		t.Errorf("the reader keeps tests, or they make another policy: %+v", again[0])
	}
}
