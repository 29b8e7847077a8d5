package reports

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/audit"
	"github.com/portcullis-dev/portcullis/review"
)

// Made are the objects of a report, and what the bounds left no room for.
type Made struct {
	Objects []Object
	Omitted int // results that are listed nowhere
}

// Layout says how a report becomes objects. The zero value is that of the only one who audits, within MaxObjects and MaxTotal.
type Layout struct {
	// Shard tells the objects of one who audits a part of the cluster from those of others; it is a name as Kubernetes has them, or empty.
	Shard string
	// Followers says that another shard tells which policies are not audited: that is said once.
	Followers bool
	// MaxObjects and MaxTotal bound the objects and their bytes together, where others make some, too; zero is the constant of that name.
	MaxObjects, MaxTotal int
	// Since tells when a result was found first that is there with a time, in seconds; nil leaves that time.
	Since func(id string, seconds int64) int64
}

// Make makes the objects of a report: those of each namespace of which something is known, and one ClusterReport at least, which says what was judged
// and which policies are not. Names and order are the same for the same results.
//
// The results of a namespace that one object does not hold are dealt out by their IDs to twice as many, until each has room: one result more changes
// one object, and not all that come after it.
func Make(r *audit.Report, shard string) Made {
	var made Made
	made.Omitted = Layout{Shard: shard}.Each(r, func(o Object, _ int) { made.Objects = append(made.Objects, o) })
	slices.SortStableFunc(made.Objects, func(a, b Object) int { return cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace) })
	return made
}

// Each makes the objects as Make does and hands them over with their size as JSON, those of one namespace at a time; the ClusterReport that says
// what was judged comes last. It returns how many results are listed nowhere, which that object says, too.
func (l Layout) Each(r *audit.Report, yield func(o Object, size int)) (omitted int) {
	l.MaxObjects, l.MaxTotal = cmp.Or(l.MaxObjects, MaxObjects), cmp.Or(l.MaxTotal, MaxTotal)
	m := maker{Report: r, Layout: l, policies: map[string]audit.Policy{}}
	for _, p := range r.Policies {
		m.policies[p.ID] = p
	}
	found := map[string][]audit.Result{"": m.unaudited()}
	for namespace, counts := range r.Namespaces {
		if counts != (audit.Counts{}) {
			found[namespace] = append([]audit.Result{}, found[namespace]...)
		}
	}
	for _, result := range r.Results {
		if result.Outcome != audit.Pass {
			found[result.Object.Namespace] = append(found[result.Object.Namespace], result)
		}
	}
	omitted = r.Omitted
	var first Object
	objects, total := 0, 0
	for _, namespace := range slices.Sorted(maps.Keys(found)) {
		for _, object := range m.namespace(namespace, found[namespace]) {
			size := sizeOf(object)
			if objects == l.MaxObjects || total+size > l.MaxTotal {
				omitted += len(object.Results)
				continue
			}
			objects, total = objects+1, total+size
			if objects == 1 {
				first = object
				continue
			}
			yield(object, size)
		}
		delete(found, namespace)
	}
	if omitted > 0 && first.Metadata.Annotations != nil {
		first.Metadata.Annotations[Omitted] = fmt.Sprintf("%d results are in no report: an audit has at most %d results, and its reports %d objects and %d MiB.",
			omitted, audit.MaxResults, MaxObjects, MaxTotal>>20)
	}
	yield(first, sizeOf(first))
	return omitted
}

type maker struct {
	*audit.Report
	Layout
	policies map[string]audit.Policy
}

// unaudited has a result for each policy that is not asked about what is there: it was "not selected for evaluation", as the kind words Skip.
func (m maker) unaudited() []audit.Result {
	out := []audit.Result{}
	for _, p := range m.Policies {
		if p.Unaudited != "" && !m.Followers {
			out = append(out, audit.Result{Policy: p.ID, Outcome: audit.Skip, Message: p.Unaudited})
		}
	}
	return out
}

// namespace deals the results of a namespace out to as many objects as hold them.
func (m maker) namespace(name string, results []audit.Result) []Object {
	results = once(results)
	parts := 1
	for parts*MaxResults < len(results) {
		parts *= 2
	}
	for ; ; parts *= 2 {
		out := make([]Object, parts)
		for i := range out {
			out[i] = m.empty(name, i)
		}
		for _, result := range results {
			part := &out[partOf(result.ID(), parts)]
			part.Results = append(part.Results, m.result(result))
			part.Summary.Add(result.Outcome)
		}
		out[0].Summary.Pass = m.Namespaces[name].Pass // they are of no result, and so of no part
		if !slices.ContainsFunc(out, func(o Object) bool { return len(o.Results) > MaxResults || sizeOf(o) > MaxBytes }) {
			first := out[0].Metadata.Name
			return slices.DeleteFunc(out, func(o Object) bool { return len(o.Results) == 0 && o.Metadata.Name != first })
		}
	}
}

// once leaves out what is said twice, as of an object that is in two files: an ID is for one result.
func once(results []audit.Result) []audit.Result {
	said := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(results), func(r audit.Result) bool {
		id := r.ID()
		defer func() { said[id] = true }()
		return said[id]
	})
}

// partOf is the part that holds a result: what its ID says, which is a number in hexadecimal digits.
func partOf(id string, parts int) uint64 {
	n, _ := strconv.ParseUint(id, 16, 64) // the zero of what is none is a part, too
	return n % uint64(parts)              //nolint:gosec // parts is a power of two
}

// sizeOf is the size of an object as JSON.
func sizeOf(o Object) int {
	text, _ := json.Marshal(o) // of strings and numbers nothing is wrong
	return len(text)
}

func (m maker) empty(namespace string, part int) Object {
	name := Source
	if m.Shard != "" {
		name += "-" + m.Shard
	}
	if part > 0 {
		name += fmt.Sprintf("-%d", part)
	}
	out := Object{
		APIVersion: "openreports.io/v1alpha1", Kind: "Report", Source: Source,
		Metadata:      Metadata{Name: name, Namespace: short(namespace), Labels: map[string]string{Managed: Source}},
		Configuration: &Configuration{Limits{MaxResults: MaxResults, StatusFilter: []audit.Outcome{audit.Fail, audit.Warn, audit.Fault, audit.Skip}}},
		Results:       []Result{},
	}
	if namespace != "" {
		out.Scope = &Reference{APIVersion: "v1", Kind: "Namespace", Name: short(namespace)}
		return out
	}
	out.Kind = "ClusterReport"
	if part == 0 {
		out.Metadata.Annotations = map[string]string{Revision: short(m.Revision), Reconciled: m.reconciliation()}
	}
	return out
}

// maxReconciliation bounds the annotation: all annotations of an object together may have 256 KiB.
const maxReconciliation = 64 << 10

// reconciliation is a line for each resource.
func (m maker) reconciliation() string {
	var out strings.Builder
	for i, c := range m.Coverage {
		line := c.Resource + ": " + c.Reconciliation()
		if c.Trouble != "" {
			line += "; " + c.Trouble
		}
		line = short(line) + "\n"
		if out.Len()+len(line) > maxReconciliation {
			fmt.Fprintf(&out, "and %d more resources\n", len(m.Coverage)-i)
			break
		}
		out.WriteString(line)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func (m maker) result(r audit.Result) Result {
	policy, o := m.policies[r.Policy], r.Object
	when := r.Since
	if when.IsZero() {
		when = m.At
	}
	out := Result{
		Source: Source, Policy: short(r.Policy), Category: short(policy.Topic()), Severity: cmp.Or(r.Severity, policy.Severity),
		Timestamp: Timestamp{Seconds: when.Unix()}, Outcome: r.Outcome, Scored: r.Outcome == audit.Fail, Message: short(r.Message),
		Properties: map[string]string{"id": r.ID()},
	}
	if o != (audit.Object{}) {
		out.Resources = []Reference{{APIVersion: short(o.APIVersion()), Kind: short(o.Kind), Namespace: short(o.Namespace), Name: short(o.Name), UID: short(o.UID)}}
	}
	if m.Since != nil {
		out.Timestamp.Seconds = m.Since(out.Properties["id"], out.Timestamp.Seconds)
	}
	if !slices.Contains([]string{"critical", "high", "medium", "low"}, out.Severity) {
		out.Severity = "" // the kind knows no other
	}
	add := func(key, value string) {
		if value != "" {
			out.Properties[key] = short(value)
		}
	}
	add("field", r.Field)
	add("controls", strings.Join(policy.Controls, " "))
	add("file", o.File)
	if e := r.Exception; e != nil {
		add("exception", e.Name)
		add("reason", e.Reason)
		add("expires", e.Expires.UTC().Format(time.RFC3339))
	}
	return out
}

// short is a text that leaves room for others.
func short(text string) string { return review.Sentence(text, maxText) }
