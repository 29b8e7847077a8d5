package settings

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/gatekeeper/match"
	"github.com/portcullis-dev/portcullis/review"
)

// Settings are what the Config and all SyncSets say together. They are immutable; nil are those of none.
type Settings struct {
	synced   []schema.GroupVersionKind
	excluded map[Process][]match.Wildcard
	finer    map[Process][]exclusion // by more than the names of namespaces
}

// Synced lists the kinds of which all objects are at data.inventory, each once, in a fixed order.
func (s *Settings) Synced() []schema.GroupVersionKind {
	if s == nil {
		return nil
	}
	return s.synced
}

// Excluded lists the namespaces that are excluded from a process as a whole, each once, in a fixed order.
func (s *Settings) Excluded(from Process) []match.Wildcard {
	if s == nil {
		return nil
	}
	return s.excluded[from]
}

// Excludes reports whether what is in a namespace is excluded from a process. A Namespace is in the one that it is, and what is in none in the
// one without a name: of all wildcards "*" alone is about that.
func (s *Settings) Excludes(from Process, namespace string) bool {
	return slices.ContainsFunc(s.Excluded(from), func(w match.Wildcard) bool { return w.Covers(namespace) })
}

// Spares reports whether constraints are not asked about a request. It is a policies.Sparing.
func (s *Settings) Spares(req *review.Request, namespace func() (policies.Namespace, error)) bool {
	process := Webhook // what a person asks is what an API server would
	if req.Origin == review.FromAudit {
		process = Audit
	}
	return s.spares(process, req, namespace)
}

func (s *Settings) spares(from Process, req *review.Request, namespace func() (policies.Namespace, error)) bool {
	return s != nil && (s.Excludes(from, req.Target.Inside()) ||
		slices.ContainsFunc(s.finer[from], func(x exclusion) bool { return x.excludes(req, namespace) }))
}

// SparesMutation reports whether mutators are not about a request. What its object implies is for constraints to judge as it would be mutated, wherever
// they are asked.
func (s *Settings) SparesMutation(req *review.Request, namespace func() (policies.Namespace, error)) bool {
	return req.ImpliedBy == "" && s.spares(Mutation, req, namespace)
}

// Reader reads Configs and SyncSets. Its zero value is ready. One that reads again and again should be kept: it remembers the last good version
// of each. It must not be used by two goroutines at a time.
type Reader struct {
	good []*object // those of the last reading
}

// Read joins what the Config and the SyncSets among documents say, in whatever order they are; nil if there are none. One that is faulty keeps
// its last good version.
func (r *Reader) Read(docs []policies.Document) (out *Settings, faults policies.Faults) {
	var objects []*object
	find := func(list []*object, d policies.Document) *object {
		i := slices.IndexFunc(list, func(o *object) bool { return o.kind == d.Object.GetKind() && o.name == d.Object.GetName() })
		if i < 0 {
			return nil
		}
		return list[i]
	}
	for _, d := range docs {
		if !isSetting(d) {
			continue
		}
		o, fault := read(d)
		if fault != nil {
			faults = append(faults, *fault)
			o = find(r.good, d)
		}
		if o == nil {
			continue
		}
		if first := find(objects, d); first == nil {
			objects = append(objects, o)
		} else if !first.same(o) {
			faults = append(faults, *d.Fault(errTwice(first), "metadata", "name"))
		}
	}
	r.good = objects
	return together(objects), faults
}

func together(objects []*object) *Settings {
	if len(objects) == 0 {
		return nil
	}
	out := &Settings{excluded: map[Process][]match.Wildcard{}, finer: map[Process][]exclusion{}}
	for _, o := range objects {
		out.synced = append(out.synced, o.synced...)
		for _, x := range o.match {
			for _, process := range processes() {
				switch {
				case !x.from(process):
				case x.finer():
					out.finer[process] = append(out.finer[process], x)
				default:
					out.excluded[process] = append(out.excluded[process], x.ExcludedNamespaces...)
				}
			}
		}
	}
	slices.SortFunc(out.synced, func(a, b schema.GroupVersionKind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Kind, b.Kind))
	})
	out.synced = slices.Compact(out.synced)
	for process, names := range out.excluded {
		slices.Sort(names)
		out.excluded[process] = slices.Compact(names)
	}
	return out
}
