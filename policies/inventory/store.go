package inventory

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Store holds the inventory and publishes it, a Snapshot after each update. Its methods may be called from any goroutine. Its zero
// value holds nothing and is ready for use.
//
// An update costs what it takes to make anew the one object Rego sees of each namespace it touches, and the one of the kind: about
// 0.1 µs for each object in those namespaces, and nothing for all others. Who has many updates should give them together.
type Store struct {
	mu      sync.Mutex // of writers; readers have the snapshot
	kinds   map[Kind]*held
	view    view
	syncs   *syncs
	current atomic.Pointer[Snapshot]
}

// held is what the writers have of a kind.
type held struct {
	namespaced bool
	fields     *Fields
	fixed      bool
	heard      *atomic.Int64 // when the kind was last known to be true to the cluster, in nanoseconds since 1970
	trouble    error

	objects int
	names   table // of a kind without namespaces
	// Of a kind with namespaces: the names in each, and what each looks like from outside.
	namespaces map[string]*table
	outside    table
}

// List is everything there is of a kind.
type List struct {
	Namespaced bool
	// Fields are what the objects were built with. A policy that reads more has no answer.
	Fields  *Fields
	Objects []Object
	// At is when the objects were true to the cluster, unless Fixed says that they are all there ever will be, as when they come from files.
	At    time.Time
	Fixed bool
}

// Replace puts the list in the place of whatever was known of the kind.
func (s *Store) Replace(kind Kind, list List) {
	h := &held{namespaced: list.Namespaced, fields: list.Fields, fixed: list.Fixed, heard: &atomic.Int64{}}
	h.heard.Store(list.At.UnixNano())
	// In order, each goes to the end of its table.
	slices.SortStableFunc(list.Objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	touched := map[string]bool{}
	for _, object := range list.Objects {
		h.set(object)
		touched[object.Namespace] = true
	}
	h.rebuild(touched)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds == nil {
		s.kinds = map[Kind]*held{}
	}
	if before := s.kinds[kind]; before != nil && before.namespaced != h.namespaced {
		s.view.hide(kind)
	} else if before != nil {
		maps.Copy(touched, before.everywhere())
	}
	s.kinds[kind] = h
	t := h.tree()
	s.view.show(kind, h, t.root, touched)
	s.publish(kind, t, nil)
}

// Change is one object that has come or changed, or, if Value is nil, has gone.
type Change Object

// Update makes the changes, in their order, and publishes them together. At is when the kind was true to the cluster with them. A kind that
// was never listed stays unknown: what changed is not all there is.
func (s *Store) Update(kind Kind, at time.Time, changes ...Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.kinds[kind]
	if h == nil {
		return
	}
	touched := map[string]bool{}
	for _, change := range changes {
		if change.Value == nil {
			h.remove(change.Namespace, change.Name)
		} else {
			h.set(Object(change))
		}
		touched[change.Namespace] = true
	}
	h.heard.Store(at.UnixNano())
	if len(touched) > 0 || h.trouble != nil {
		h.trouble = nil
		h.rebuild(touched)
		t := h.tree()
		s.view.show(kind, h, t.root, touched)
		s.publish(kind, t, nil)
	}
}

// Heard notes that at that time the kind was true to the cluster.
func (s *Store) Heard(kind Kind, at time.Time) { s.Update(kind, at) }

// Fail notes why a kind cannot be listed or watched for now. What is known of it stays, and ages.
func (s *Store) Fail(kind Kind, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.kinds[kind]
	if h == nil {
		s.publish(kind, nil, why)
		return
	}
	h.trouble = why
	s.publish(kind, h.tree(), nil)
}

// Lose drops what is known of a kind, because of why: policies that read it have no answer.
func (s *Store) Lose(kind Kind, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kinds, kind)
	s.view.hide(kind)
	s.publish(kind, nil, why)
}

// Forget drops a kind that nobody reads any more.
func (s *Store) Forget(kind Kind) { s.Lose(kind, nil) }

// Snapshot returns the inventory as it is now. It never waits.
func (s *Store) Snapshot() *Snapshot {
	if current := s.current.Load(); current != nil {
		return current
	}
	return &Snapshot{}
}

// publish puts one kind of the snapshot anew: its tree, or else why there is none.
func (s *Store) publish(kind Kind, t *tree, why error) {
	next := s.next()
	delete(next.kinds, kind)
	delete(next.lost, kind)
	if t != nil {
		next.kinds[kind] = t
	} else if why != nil {
		next.lost[kind] = why
	}
	s.current.Store(next)
}

// next is the present snapshot to be changed.
func (s *Store) next() *Snapshot {
	next := &Snapshot{kinds: map[Kind]*tree{}, lost: map[Kind]error{}, synced: s.view.root, syncs: s.syncs}
	if current := s.current.Load(); current != nil {
		next.kinds, next.lost = maps.Clone(current.kinds), maps.Clone(current.lost)
	}
	return next
}

func (h *held) table(namespace string) *table {
	if !h.namespaced {
		return &h.names
	}
	t := h.namespaces[namespace]
	if t == nil {
		if h.namespaces == nil {
			h.namespaces = map[string]*table{}
		}
		t = &table{}
		h.namespaces[namespace] = t
	}
	return t
}

func (h *held) set(object Object) {
	if h.table(object.Namespace).set(object.Name, ast.NewTerm(object.Value)) {
		h.objects++
	}
}

func (h *held) remove(namespace, name string) {
	if h.table(namespace).remove(name) {
		h.objects--
	}
}

// rebuild makes anew what is seen of the namespaces that were touched. One without objects is not seen.
func (h *held) rebuild(touched map[string]bool) {
	if !h.namespaced {
		return
	}
	for _, namespace := range slices.Sorted(maps.Keys(touched)) {
		if t := h.namespaces[namespace]; t != nil && len(*t) > 0 {
			h.outside.set(namespace, t.object())
		} else {
			delete(h.namespaces, namespace)
			h.outside.remove(namespace)
		}
	}
}

func (h *held) tree() *tree {
	t := &tree{namespaced: h.namespaced, fields: h.fields, objects: h.objects, fixed: h.fixed, heard: h.heard, trouble: h.trouble}
	if t.root = h.names.object(); h.namespaced {
		t.root = h.outside.object()
	}
	return t
}

// errNotListed is why nothing is known of a kind at first.
var errNotListed = errors.New("it has not been listed yet")
