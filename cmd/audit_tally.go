package cmd

import (
	"cmp"
	"maps"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
)

// auditTally gathers what came of objects, one after the other, into a report.
type auditTally struct {
	report   audit.Report
	coverage map[string]*audit.Coverage
}

func newAuditTally() *auditTally {
	return &auditTally{
		report:   audit.Report{Counts: map[string]audit.Counts{}, Namespaces: map[string]audit.Counts{}},
		coverage: map[string]*audit.Coverage{},
	}
}

// of is the coverage of a resource.
func (t *auditTally) of(resource string) *audit.Coverage {
	if t.coverage[resource] == nil {
		t.coverage[resource] = &audit.Coverage{Resource: resource}
	}
	return t.coverage[resource]
}

// skip notes an object about which nobody was asked.
func (t *auditTally) skip(resource, why string) {
	c := t.of(resource)
	if c.Skipped == nil {
		c.Skipped = map[string]int{}
	}
	c.Listed++
	c.Skipped[why]++
}

// fail notes that nothing is known of something, and why.
func (t *auditTally) fail(resource string, err error) {
	c := t.of(resource)
	c.Listed++
	c.Errored++
	c.Trouble = cmp.Or(c.Trouble, err.Error())
}

// fault notes that it is not known what there is of a resource.
func (t *auditTally) fault(resource, why string) {
	c := t.of(resource)
	c.Trouble = cmp.Or(c.Trouble, why)
}

// add notes what came of an object. A policy counts once for it, by its worst result.
func (t *auditTally) add(resource string, about audit.Object, j audit.Judgement) {
	if j.Skipped != "" {
		t.skip(resource, j.Skipped)
		return
	}
	outcomes := map[string]audit.Outcome{}
	for _, id := range j.Asked {
		outcomes[id] = audit.Pass
	}
	for _, result := range j.Results {
		if worse(result.Outcome, outcomes[result.Policy]) {
			outcomes[result.Policy] = result.Outcome
		}
		if len(t.report.Results) == audit.MaxResults {
			t.report.Omitted++
			continue
		}
		t.report.Results = append(t.report.Results, result)
	}
	faulty := false
	for id, outcome := range outcomes {
		faulty = faulty || outcome == audit.Fault
		count(t.report.Counts, id, outcome)
		count(t.report.Namespaces, about.Namespace, outcome)
	}
	c := t.of(resource)
	c.Listed++
	if faulty {
		c.Errored++
	} else {
		c.Evaluated++
	}
}

func count(counts map[string]audit.Counts, key string, outcome audit.Outcome) {
	c := counts[key]
	c.Add(outcome)
	counts[key] = c
}

// worse reports whether an outcome is worse than another, "" being that of who was not asked.
func worse(a, b audit.Outcome) bool {
	order := []audit.Outcome{"", audit.Pass, audit.Skip, audit.Warn, audit.Fault, audit.Fail}
	return slices.Index(order, a) > slices.Index(order, b)
}

// done is the report.
func (t *auditTally) done() *audit.Report {
	slices.SortStableFunc(t.report.Results, audit.Compare)
	for _, resource := range slices.Sorted(maps.Keys(t.coverage)) {
		t.report.Coverage = append(t.report.Coverage, *t.coverage[resource])
	}
	return &t.report
}
