package language

import (
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A function that came with an upgrade of OPA fails here until somebody has decided whether policies may call it.
func TestEveryBuiltinIsJudgedOnce(t *testing.T) {
	judged := map[string]int{}
	for name, reason := range forbidden {
		judged[name]++
		if reason == "" || strings.HasSuffix(reason, ".") {
			t.Errorf("%s: the reason completes a sentence and has no full stop: %q", name, reason)
		}
	}
	for _, f := range families {
		if f.because == "" || f.bounded == "" {
			t.Errorf("%v are allowed without a reason, or it is not said why what they return is bounded", f.names)
		}
		for _, name := range f.names {
			judged[name]++
		}
	}
	known := map[string]bool{}
	for _, b := range ast.DefaultBuiltins {
		known[b.Name] = true
		if judged[b.Name] == 0 {
			t.Errorf("%s is not judged yet: %s", b.Name, b.Description)
		}
	}
	for name, times := range judged {
		if !known[name] {
			t.Errorf("%s is judged, but this version of OPA does not have it", name)
		}
		if times > 1 {
			t.Errorf("%s is judged %d times", name, times)
		}
	}
}

func TestCapabilitiesAreWhatTheTableSays(t *testing.T) {
	have := map[string]bool{}
	for _, b := range Capabilities().Builtins {
		if have[b.Name] {
			t.Errorf("%s is there twice", b.Name)
		}
		have[b.Name] = true
	}
	for name := range forbidden {
		if have[name] {
			t.Errorf("%s is forbidden and available", name)
		}
	}
	for name := range allowed {
		if !have[name] {
			t.Errorf("%s is allowed and missing", name)
		}
	}
	for _, a := range additions {
		if !have[a.name] {
			t.Errorf("%s is added and missing", a.name)
		}
		if a.description == "" || topdown.GetBuiltin(a.name) == nil {
			t.Errorf("%s has no description or is not registered", a.name)
		}
	}
}

// What reaches out of the process, or reads what it stands on, is available to no policy at all.
func TestWhatGatekeepersPoliciesMayNotCall(t *testing.T) {
	have := map[string]bool{}
	for _, b := range GatekeeperCapabilities().Builtins {
		have[b.Name] = true
	}
	var missing []string
	for _, b := range ast.DefaultBuiltins {
		if !have[b.Name] {
			missing = append(missing, b.Name)
		}
	}
	slices.Sort(missing)
	want := []string{"http.send", "json.match_schema", "json.verify_schema", "net.lookup_ip_addr", "opa.runtime"}
	if !slices.Equal(missing, want) {
		t.Errorf("not available: %v, want %v", missing, want)
	}
	for _, name := range established {
		if forbidden[name] == "" {
			t.Errorf("%s is established and not forbidden to others", name)
		}
	}
}

func TestLimitsAreOfFunctionsThatMayBeCalled(t *testing.T) {
	for name := range limits {
		if !allowed[name] && !slices.Contains(established, name) {
			t.Errorf("%s has a limit and is allowed to nobody", name)
		}
		if !slices.ContainsFunc(beyond, func(c call) bool { return strings.HasPrefix(c.expression, name+"(") }) {
			t.Errorf("no test goes beyond the limit of %s", name)
		}
	}
}
