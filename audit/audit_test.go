package audit_test

import (
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/audit"
)

func TestAResultKeepsItsIDUntilItSaysAnotherThing(t *testing.T) {
	r := audit.Result{
		Policy: "pods.privileged", Field: "spec.containers[0]", Message: "No.",
		Object: audit.Object{Version: "v1", Kind: "Pod", Namespace: "prod", Name: "web", UID: "1"},
	}
	id := r.ID()
	if len(id) != 16 {
		t.Errorf("ID is %q", id)
	}
	same := r
	same.Object.Version, same.Object.UID, same.Outcome, same.Severity = "v2", "2", audit.Warn, "high"
	if same.ID() != id {
		t.Error("another version, uid, outcome or severity makes another ID")
	}
	for name, change := range map[string]func(*audit.Result){
		"policy":    func(r *audit.Result) { r.Policy = "pods.host_ports" },
		"group":     func(r *audit.Result) { r.Object.Group = "apps" },
		"kind":      func(r *audit.Result) { r.Object.Kind = "Deployment" },
		"namespace": func(r *audit.Result) { r.Object.Namespace = "" },
		"name":      func(r *audit.Result) { r.Object.Name = "we" },
		"field":     func(r *audit.Result) { r.Field = "" },
		"message":   func(r *audit.Result) { r.Message = "Not at all." },
		"boundary":  func(r *audit.Result) { r.Object.Namespace, r.Object.Name = "pro", "dweb" },
	} {
		other := r
		if change(&other); other.ID() == id {
			t.Errorf("another %s makes no other ID", name)
		}
	}
}

func TestCoverageReconciles(t *testing.T) {
	for name, c := range map[string]struct {
		audit.Coverage
		want bool
	}{
		"nothing":        {want: true},
		"all":            {audit.Coverage{Listed: 6, Evaluated: 3, Skipped: map[string]int{"a": 1, "b": 1}, Errored: 1}, true},
		"one missing":    {audit.Coverage{Listed: 4, Evaluated: 3}, false},
		"one twice":      {audit.Coverage{Listed: 4, Evaluated: 5}, false},
		"not to the end": {audit.Coverage{Listed: 4, Evaluated: 4, Trouble: "It may not be listed."}, false},
	} {
		if got := c.Reconciled(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCountsOfAnUnknownOutcomeAreFaults(t *testing.T) {
	var c audit.Counts
	for _, o := range []audit.Outcome{audit.Pass, audit.Fail, audit.Warn, audit.Skip, audit.Fault, "", "fine"} {
		c.Add(o)
	}
	if want := (audit.Counts{Pass: 1, Fail: 1, Warn: 1, Skip: 1, Fault: 3}); c != want {
		t.Errorf("%+v", c)
	}
	r := audit.Report{Counts: map[string]audit.Counts{"a": c, "b": {Fail: 2}}}
	if got := r.Total(); got.Fail != 3 || got.Pass != 1 {
		t.Errorf("total %+v", got)
	}
}

func TestControlsAreNamedOnce(t *testing.T) {
	r := audit.Report{Policies: []audit.Policy{{ID: "pods.b", Controls: []string{"pss/baseline", "cis-1.9/5.2.2"}}, {ID: "plain", Controls: []string{"pss/baseline"}}}}
	if got := r.Controls(); !slices.Equal(got, []string{"cis-1.9/5.2.2", "pss/baseline"}) {
		t.Error(got)
	}
	if a, b := r.Policies[0].Topic(), r.Policies[1].Topic(); a != "pods" || b != "plain" {
		t.Error(a, b)
	}
}

func TestAReportIsWholeOnlyIfAllWasJudged(t *testing.T) {
	for name, c := range map[string]struct {
		audit.Report
		want bool
	}{
		"nothing to judge": {want: true},
		"all judged":       {audit.Report{Coverage: []audit.Coverage{{Listed: 1, Evaluated: 1}}}, true},
		"omitted":          {audit.Report{Omitted: 1}, false},
		"errored":          {audit.Report{Coverage: []audit.Coverage{{Listed: 1, Errored: 1}}}, false},
		"not reconciled":   {audit.Report{Coverage: []audit.Coverage{{Listed: 2, Evaluated: 1}}}, false},
	} {
		if got := c.Whole(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
