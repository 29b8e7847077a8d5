package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
)

// Snapshot is the inventory at one moment. It is immutable and safe for concurrent use. To OPA it is a storage.Store that can only be
// read.
type Snapshot struct {
	storage.PolicyNotSupported
	storage.WritesNotSupported

	kinds map[Kind]*tree
	lost  map[Kind]error

	synced   *ast.Term // data.inventory; nil while nothing is shown
	syncs    *syncs    // what should be there; nil is nothing
	complete bool      // synced is all there ever will be
}

var _ storage.Store = (*Snapshot)(nil)

// tree is what a snapshot has of a kind.
type tree struct {
	root       *ast.Term // of namespaces or, for a kind without them, of names
	namespaced bool
	fields     *Fields
	objects    int
	fixed      bool
	heard      *atomic.Int64
	trouble    error // why it cannot be listed or watched any more
}

func (t *tree) age(now time.Time) time.Duration {
	if t.fixed {
		return 0
	}
	return max(0, now.Sub(time.Unix(0, t.heard.Load())))
}

// Still is the snapshot as all there ever will be: what is known is of use however much later it is looked at.
func (s *Snapshot) Still() *Snapshot {
	out := *s
	out.kinds = make(map[Kind]*tree, len(s.kinds))
	for kind, t := range s.kinds {
		still := *t
		still.fixed = true
		out.kinds[kind] = &still
	}
	return &out
}

// Need is what somebody reads of a kind. It is not to be copied, nor changed once it is in use.
type Need struct {
	// Fields are what is read below data.kubernetes[kind].
	Fields *Fields
	// MaxStaleness is the greatest age at which it is still of use.
	MaxStaleness time.Duration

	covered atomic.Pointer[Fields] // that were last found to be enough, so that this is worked out once and not with every review
}

func (n *Need) coveredBy(t *tree) bool {
	if n.covered.Load() == t.fields {
		return true
	}
	enough := t.fields.Covers(n.Fields.Of(t.namespaced))
	if enough {
		n.covered.Store(t.fields)
	}
	return enough
}

// Check returns why the need is not met at this moment, or nil. Its errors name the kind.
func (s *Snapshot) Check(kind Kind, need *Need, now time.Time) error {
	t := s.kinds[kind]
	if t == nil {
		why := s.lost[kind]
		if why == nil {
			why = errNotListed
		}
		return fmt.Errorf("nothing is known of %s: %w", kind, why)
	}
	if age := t.age(now); age > need.MaxStaleness {
		return fmt.Errorf("what is known of %s is %s old, and the policy takes no more than %s", kind, age.Round(time.Second), need.MaxStaleness)
	}
	if !need.coveredBy(t) {
		return fmt.Errorf("what the policy reads of %s is still being listed", kind)
	}
	return nil
}

// Status tells how things stand with one kind.
type Status struct {
	Kind    Kind
	Listed  bool          // something is known of it
	Objects int           // how many there are
	Age     time.Duration // since it was last known to be true to the cluster; 0 if it is not listed, or from files
	Kept    string        // which fields are kept, "metadata.labels, spec.rules[].host"
	Why     string        // why it cannot be listed or watched now; empty for a kind at data.inventory that the cluster does not have
}

// Status lists all kinds that were ever listed or lost, and not forgotten, in the order of their names.
func (s *Snapshot) Status(now time.Time) []Status {
	var out []Status
	for kind, t := range s.kinds {
		one := Status{Kind: kind, Listed: true, Objects: t.objects, Age: t.age(now), Kept: t.fields.String()}
		if t.trouble != nil {
			one.Why = t.trouble.Error()
		}
		out = append(out, one)
	}
	for kind, why := range s.lost {
		one := Status{Kind: kind, Why: why.Error()}
		if _, synced := kind.GroupVersionKind(); synced && errors.Is(why, ErrNoSuchKind) {
			one.Why = "" // there are none, and that is all there is to know
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// Lost returns why a kind of which nothing is known cannot be listed; nil if it is known, or is still being listed.
func (s *Snapshot) Lost(kind Kind) error { return s.lost[kind] }

// Kinds lists the kinds of which something is known.
func (s *Snapshot) Kinds() []Kind { return slices.Sorted(maps.Keys(s.kinds)) }

// transaction is that of every reader: there is nothing to tell them apart by.
type transaction struct{}

func (transaction) ID() uint64 { return 0 }

// errReadOnly answers who would write.
var errReadOnly = errors.New("the inventory can only be read")

// errNotFound is OPA's word for what is undefined.
var errNotFound = &storage.Error{Code: storage.NotFoundErr}

// NewTransaction begins a reading.
func (s *Snapshot) NewTransaction(_ context.Context, params ...storage.TransactionParams) (storage.Transaction, error) {
	for _, p := range params {
		if p.Write {
			return nil, errReadOnly
		}
	}
	return transaction{}, nil
}

// Read returns the value at path, which begins with Root and a kind, for there is no reading of several kinds at once, or with SyncedRoot.
func (s *Snapshot) Read(_ context.Context, _ storage.Transaction, path storage.Path) (any, error) {
	var at *ast.Term
	switch {
	case len(path) > 0 && path[0] == SyncedRoot:
		at, path = s.synced, path[1:]
	case len(path) > 1 && path[0] == Root && s.kinds[Kind(path[1])] != nil:
		at, path = s.kinds[Kind(path[1])].root, path[2:]
	}
	if at == nil {
		return nil, errNotFound
	}
	for _, name := range path {
		if at = step(at.Value, name); at == nil {
			return nil, errNotFound
		}
	}
	return at.Value, nil
}

// step is the member or element of that name, or nil.
func step(value ast.Value, name string) *ast.Term {
	switch v := value.(type) {
	case ast.Object:
		return v.Get(ast.InternedTerm(name))
	case *ast.Array:
		if index := ast.InternedIntNumberTermFromString(name); index != nil {
			return v.Get(index)
		}
		return v.Get(ast.NewTerm(ast.Number(name)))
	}
	return nil
}

// Commit and Abort end a reading.
func (*Snapshot) Commit(context.Context, storage.Transaction) error { return nil }

// Abort ends a reading.
func (*Snapshot) Abort(context.Context, storage.Transaction) {}

// Truncate is not for readers.
func (*Snapshot) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errReadOnly
}

// Register would tell of changes; there are none.
func (*Snapshot) Register(context.Context, storage.Transaction, storage.TriggerConfig) (storage.TriggerHandle, error) {
	return nil, errReadOnly
}

// Shows reports whether a snapshot has the same objects of a kind as another one, which may be nil, as far as is kept of them. Both are of one Store.
func (s *Snapshot) Shows(kind Kind, other *Snapshot) bool {
	return rootOf(s, kind) == rootOf(other, kind)
}

// ShowsSynced reports whether both have the same at data.inventory.
func (s *Snapshot) ShowsSynced(other *Snapshot) bool {
	return s == other || s != nil && other != nil && s.synced == other.synced
}

func rootOf(s *Snapshot, kind Kind) *ast.Term {
	if s == nil || s.kinds[kind] == nil {
		return nil
	}
	return s.kinds[kind].root
}
