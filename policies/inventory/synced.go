package inventory

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SyncedRoot is the member of data under which the kinds that are synced lie as policies written for Gatekeeper read them:
// data.inventory.cluster[groupVersion][kind][name] and data.inventory.namespace[namespace][groupVersion][kind][name].
const SyncedRoot = "inventory"

// ErrNoSuchKind is why a kind is lost that the cluster does not have.
var ErrNoSuchKind = errors.New("the cluster has no such kind")

// Synced is a kind that is shown at data.inventory, and what it is called there: "networking.k8s.io/v1" and "Ingress". The objects are shown
// as they were listed, in whichever version that was.
type Synced struct {
	GroupVersionKind schema.GroupVersionKind
	Of               Kind
}

// maxSyncedAge is how old what is shown at data.inventory may be, as it is for policies that say nothing of it.
const maxSyncedAge = 5 * time.Minute

// syncs are the kinds that are synced, in the order of their names, and what whoever reads data.inventory needs of each.
type syncs struct {
	kinds []Kind
	names [][]called
	need  []*Need
}

// WholeNeed is what data.inventory needs of a kind: all of every object, not older than five minutes.
func WholeNeed() *Need { return &Need{Fields: &Fields{whole: true}, MaxStaleness: maxSyncedAge} }

// Sync says which kinds are shown at data.inventory, from now on and instead of those of before. A kind is shown once it is listed. Excluded
// reports of a namespace whether what is in it, and the Namespace itself, is left out, and of the empty one whether what is in none is; nil
// leaves nothing out. It must always say the same.
func (s *Store) Sync(kinds []Synced, excluded func(namespace string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = view{names: map[Kind][]called{}, excluded: excluded}
	for _, kind := range kinds {
		name := called{kind.GroupVersionKind.GroupVersion().String(), kind.GroupVersionKind.Kind}
		if !slices.Contains(s.view.names[kind.Of], name) {
			s.view.names[kind.Of] = append(s.view.names[kind.Of], name)
		}
	}
	s.syncs = &syncs{kinds: slices.Sorted(maps.Keys(s.view.names))}
	for _, kind := range s.syncs.kinds {
		s.syncs.names = append(s.syncs.names, s.view.names[kind])
		s.syncs.need = append(s.syncs.need, WholeNeed())
		if h := s.kinds[kind]; h != nil {
			s.view.show(kind, h, h.tree().root, h.everywhere())
		}
	}
	s.current.Store(s.next())
}

// called is what a kind is called at data.inventory.
type called struct{ groupVersion, kind string }

func (c called) isNamespace() bool { return c == called{"v1", "Namespace"} }

// shelf is what is shown of one namespace, or of what is in none. What was emptied stays there, empty, as in Gatekeeper.
type shelf map[called]*ast.Term

func (s shelf) object() *ast.Term {
	versions := map[string]*table{}
	for name, objects := range s {
		if versions[name.groupVersion] == nil {
			versions[name.groupVersion] = &table{}
		}
		versions[name.groupVersion].set(name.kind, objects)
	}
	var out table
	for version, kinds := range versions {
		out.set(version, kinds.object())
	}
	return out.object()
}

// view is what the writers have of data.inventory. Its zero value shows nothing. An update costs what it takes to make anew what is seen of
// the namespaces it touches, a few terms for each kind there, and the list of all namespaces.
type view struct {
	names      map[Kind][]called
	excluded   func(namespace string) bool // nil excludes none
	cluster    shelf
	namespaces map[string]shelf
	outside    table // what each namespace looks like
	empty      int   // shelves' entries that hold nothing
	root       *ast.Term
}

// maxEmpty bounds the entries that are kept although they are empty. A cluster in which namespaces come and go would have ever more of them.
const maxEmpty = 10_000

// everywhere lists the namespaces that have objects of the kind.
func (h *held) everywhere() map[string]bool {
	out := map[string]bool{}
	for _, pair := range h.outside {
		out[string(pair[0].Value.(ast.String))] = true //nolint:forcetypeassert // a table's keys are names
	}
	return out
}

// show puts what is held of a kind, which has that root, in the place of what was shown of it in the namespaces that were touched.
func (v *view) show(kind Kind, h *held, root *ast.Term, touched map[string]bool) {
	names := v.names[kind]
	if len(names) == 0 {
		return
	}
	for _, name := range names {
		if !h.namespaced {
			if v.cluster == nil {
				v.cluster = shelf{}
			}
			v.put(v.cluster, name, v.inNone(name, h, root))
			continue
		}
		for namespace := range touched {
			if v.excludes(namespace) {
				continue
			}
			if v.namespaces == nil {
				v.namespaces = map[string]shelf{}
			}
			if v.namespaces[namespace] == nil {
				v.namespaces[namespace] = shelf{}
			}
			objects := ast.InternedEmptyObject
			if at, found := h.outside.find(namespace); found {
				objects = h.outside[at][1]
			}
			v.put(v.namespaces[namespace], name, objects)
		}
	}
	if v.empty > maxEmpty {
		v.sweep()
		touched = nil
	}
	v.rebuild(touched)
}

func (v *view) excludes(namespace string) bool { return v.excluded != nil && v.excluded(namespace) }

// inNone is what is shown of a kind without namespaces, which has that root. A Namespace is in the one that it is.
func (v *view) inNone(name called, h *held, root *ast.Term) *ast.Term {
	switch {
	case v.excluded == nil:
		return root
	case name.isNamespace():
		return slices.DeleteFunc(slices.Clone(h.names), func(pair [2]*ast.Term) bool {
			return v.excludes(string(pair[0].Value.(ast.String))) //nolint:forcetypeassert // a table's keys are names
		}).object()
	case v.excludes(""):
		return ast.InternedEmptyObject
	}
	return root
}

// put shows objects on a shelf. Where none ever were there is nothing to be seen.
func (v *view) put(s shelf, name called, objects *ast.Term) {
	before, shown := s[name]
	if shown && isEmpty(before) {
		v.empty--
	}
	if isEmpty(objects) {
		if !shown {
			return
		}
		v.empty++
	}
	s[name] = objects
}

func isEmpty(objects *ast.Term) bool {
	object, ok := objects.Value.(ast.Object)
	return ok && object.Len() == 0
}

// hide takes a kind away, the places it had included.
func (v *view) hide(kind Kind) {
	for _, name := range v.names[kind] {
		v.take(v.cluster, name)
		for _, s := range v.namespaces {
			v.take(s, name)
		}
	}
	v.rebuild(nil)
}

func (v *view) take(s shelf, name called) {
	if objects, shown := s[name]; shown {
		if isEmpty(objects) {
			v.empty--
		}
		delete(s, name)
	}
}

// sweep drops every entry that holds nothing.
func (v *view) sweep() {
	for _, s := range append(slices.Collect(maps.Values(v.namespaces)), v.cluster) {
		maps.DeleteFunc(s, func(_ called, objects *ast.Term) bool { return isEmpty(objects) })
	}
	v.empty = 0
}

// rebuild makes anew what is seen of the namespaces that were touched, or of all of them if that is nil.
func (v *view) rebuild(touched map[string]bool) {
	if touched == nil {
		touched = map[string]bool{}
		for namespace := range v.namespaces {
			touched[namespace] = true
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(touched)) {
		if s := v.namespaces[namespace]; len(s) > 0 {
			v.outside.set(namespace, s.object())
		} else {
			delete(v.namespaces, namespace)
			v.outside.remove(namespace)
		}
	}
	v.root = root(v.cluster, v.outside)
}

// root is data.inventory, or nil where there is nothing to be seen.
func root(cluster shelf, namespaces table) *ast.Term {
	var out table
	if len(cluster) > 0 {
		out.set("cluster", cluster.object())
	}
	if len(namespaces) > 0 {
		out.set("namespace", namespaces.object())
	}
	if len(out) == 0 {
		return nil
	}
	return out.object()
}

// Item is one object and what its kind is called at data.inventory.
type Item struct {
	APIVersion, Kind string
	Object
}

// WithSynced returns a Snapshot in which data.inventory holds the items and nothing else, for good: as when they come from files. Of two
// items of one name the later is there. It takes about a microsecond an item.
func (s *Snapshot) WithSynced(items ...Item) *Snapshot {
	places := map[string]map[called]*table{} // by namespace
	for _, item := range items {
		if places[item.Namespace] == nil {
			places[item.Namespace] = map[called]*table{}
		}
		name := called{item.APIVersion, item.Kind}
		objects := places[item.Namespace][name]
		if objects == nil {
			objects = &table{}
			places[item.Namespace][name] = objects
		}
		objects.set(item.Name, ast.NewTerm(item.Value))
	}
	cluster, outside := shelf{}, table{}
	for _, namespace := range slices.Sorted(maps.Keys(places)) {
		s := shelf{}
		for name, objects := range places[namespace] {
			s[name] = objects.object()
		}
		if namespace == "" {
			cluster = s
		} else {
			outside.set(namespace, s.object())
		}
	}
	return &Snapshot{kinds: s.kinds, lost: s.lost, synced: root(cluster, outside), complete: true}
}

// CheckSynced returns why what somebody reads at data.inventory cannot be relied on, or nil: a kind that is synced was not listed, or nothing was
// heard of it for longer than five minutes. A kind that the cluster does not have is empty. Reads reports which kinds are read, by what they are
// called there; nil reads them all. The errors name the kind.
func (s *Snapshot) CheckSynced(now time.Time, reads func(groupVersion, kind string) bool) error {
	for kind, need := range s.relied(reads) {
		if err := s.Check(kind, need, now); err != nil {
			return err
		}
	}
	return nil
}

// Lack is a kind that cannot be relied on.
type Lack struct {
	Kind Kind
	Why  string // which is the same as long as the reason is
}

// LackingSynced lists all kinds of which CheckSynced would tell, in the order of their names.
func (s *Snapshot) LackingSynced(now time.Time, reads func(groupVersion, kind string) bool) (out []Lack) {
	for kind, need := range s.relied(reads) {
		if s.Check(kind, need, now) == nil {
			continue
		}
		why := errNotListed.Error()
		switch t, lost := s.kinds[kind], s.lost[kind]; {
		case lost != nil:
			why = lost.Error()
		case t != nil && t.trouble != nil:
			why = t.trouble.Error()
		case t != nil && t.age(now) > need.MaxStaleness:
			why = fmt.Sprintf("nothing was heard of it for longer than %s", need.MaxStaleness)
		}
		out = append(out, Lack{kind, why})
	}
	return out
}

// relied yields the kinds that should be at data.inventory and that somebody reads, with what is needed of each.
func (s *Snapshot) relied(reads func(groupVersion, kind string) bool) iter.Seq2[Kind, *Need] {
	return func(yield func(Kind, *Need) bool) {
		if s.complete || s.syncs == nil {
			return
		}
		for i, kind := range s.syncs.kinds {
			read := reads == nil || slices.ContainsFunc(s.syncs.names[i], func(c called) bool { return reads(c.groupVersion, c.kind) })
			if read && !errors.Is(s.lost[kind], ErrNoSuchKind) && !yield(kind, s.syncs.need[i]) {
				return
			}
		}
	}
}
