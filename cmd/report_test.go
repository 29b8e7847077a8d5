package cmd

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper"
)

func TestReportLoad(t *testing.T) {
	var out buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "revision" {
			return slog.Attr{}
		}
		return a
	}}))
	m, err := NewMetrics(log)
	if err != nil {
		t.Fatal(err)
	}
	report, set := reportLoad(log, m), policies.NewSet(nil)
	bad := policies.Fault{File: "a.rego", Policy: "a", Err: errors.New("a.rego:1: not Rego")}
	alone := policies.Fault{File: "owner/a", Policy: "owner/a", Err: fmt.Errorf("owner/a:1: Owner a: %w", gatekeeper.ErrNoTemplate)}
	missing := policies.Fault{Err: errors.New("policies: stat x: no such file or directory")}
	const inForce = `level=INFO msg="policies are in force" policies=0 `
	for _, step := range []struct {
		load policies.Load
		want []string
	}{
		{
			policies.Load{Faults: policies.Faults{missing}}, // before there were any policies
			[]string{`level=ERROR msg="a policy is faulty; its last good version, if any, stays in force" error="policies: stat x: no such file or directory"`},
		},
		{
			policies.Load{Set: set, Added: strings.Fields("a b c d e f g h i j k l")},
			[]string{
				`level=INFO msg="a fault of the policies is gone" error="policies: stat x: no such file or directory"`,
				inForce + `added="a, b, c, d, e, f, g, h, i, j and 2 more" faults=0`,
			},
		},
		{
			policies.Load{Set: set, Added: []string{"m"}, Changed: []string{"b", "c"}, Removed: []string{"l"}, Kept: []string{"a"}, Faults: policies.Faults{bad, bad, missing}},
			[]string{
				`level=ERROR msg="a policy is faulty; its last good version, if any, stays in force" file=a.rego policy=a error="a.rego:1: not Rego"`,
				`level=ERROR msg="a policy is faulty; its last good version, if any, stays in force" error="policies: stat x: no such file or directory"`,
				inForce + `added=m changed="b, c" removed=l kept=a faults=3`,
			},
		},
		{policies.Load{Set: set, Kept: []string{"a"}, Faults: policies.Faults{bad, missing}}, []string{inForce + `kept=a faults=2`}},
		{policies.Load{Set: set, Kept: []string{"a"}, Faults: policies.Faults{bad, missing}}, nil},
		{
			policies.Load{Set: set, Changed: []string{"a"}},
			[]string{
				`level=INFO msg="a fault of the policies is gone" error="a.rego:1: not Rego"`,
				`level=INFO msg="a fault of the policies is gone" error="policies: stat x: no such file or directory"`,
				inForce + `changed=a faults=0`,
			},
		},
		{ // once, and no error: who deletes both begins with one
			policies.Load{Set: set, Faults: policies.Faults{alone}},
			[]string{
				`level=WARN msg="a constraint has no template; it is not in force, unless it was before" file=owner/a policy=owner/a ` +
					`error="owner/a:1: Owner a: there is no ConstraintTemplate for this kind"`,
				inForce + `faults=1`,
			},
		},
		{policies.Load{Set: set, Faults: policies.Faults{alone}}, nil},
	} {
		before := len(out.String())
		report(step.load)
		if got := strings.TrimSpace(out.String()[before:]); got != strings.Join(step.want, "\n") {
			t.Errorf("the log says\n%s\nwant\n%s", got, strings.Join(step.want, "\n"))
		}
		if got := testutil.ToFloat64(m.faults); got != float64(len(step.load.Faults)) {
			t.Errorf("portcullis_policy_faults is %v with %d faults", got, len(step.load.Faults))
		}
	}
}

func TestEnumerate(t *testing.T) {
	for _, c := range []struct{ names, want string }{
		{"a", "a"},
		{"a b c d e f g h i j", "a, b, c, d, e, f, g, h, i, j"},
		{"a b c d e f g h i j k", "a, b, c, d, e, f, g, h, i, j and 1 more"},
	} {
		if got := enumerate(strings.Fields(c.names)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
