package policies

import (
	"context"
	"testing"
	"time"
)

func TestTestsThatDoNotEndAreAFault(t *testing.T) {
	policy, err := CompilePolicy(t.Context(), specOf(t, "a", "package a\n\ndeny contains \"a\" if false\n\n"+
		"test_long if {\n\tsome x in numbers.range(1, 100000)\n\tsome y in numbers.range(1, 100000)\n\tx == -y\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if errs := policy.spec.test(ctx); len(errs) != 1 || errs[0].Error() != "a.rego: the tests of policy a did not end in time" {
		t.Error(errs)
	}
}

// What a policy imports has tests of its own, which are run where it lies.
func TestOnlyThePolicysOwnTestsAreRun(t *testing.T) {
	spec := specOf(t, "a", "package a\n\nimport data.helper\n\ndeny contains \"a\" if helper.x\n\ntest_mine if helper.x")
	spec.Modules = append(spec.Modules, specOf(t, "helper", "package helper\n\nx := true\n\ntest_theirs if false").Modules...)
	if faults := compiled(t).Try(t.Context(), spec); len(faults) > 0 {
		t.Error(faults)
	}
}
