package policies

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"
)

// veiled is an object of which some members are not known: it counts whenever one of them is looked at, by name or with all others. What OPA may
// ask of an object beside the methods below leads into the embedded one, which is nil, and fails the evaluation: nothing passes unseen. Only its
// hash is free, by which results of functions are found again.
type veiled struct {
	ast.Object
	inner  ast.Object
	hidden map[ast.String]bool
	looked *atomic.Int64
}

func (v *veiled) all() ast.Object {
	v.looked.Add(1)
	return v.inner
}

// at is the object for a look at one member.
func (v *veiled) at(key *ast.Term) ast.Object {
	if name, ok := key.Value.(ast.String); !ok || v.hidden[name] {
		v.looked.Add(1)
	}
	return v.inner
}

// Get implements ast.Object.
func (v *veiled) Get(key *ast.Term) *ast.Term { return v.at(key).Get(key) }

// Find implements ast.Value.
func (v *veiled) Find(path ast.Ref) (ast.Value, error) {
	if len(path) == 0 {
		return v, nil
	}
	return v.at(path[0]).Find(path)
}

// Compare implements ast.Value.
func (v *veiled) Compare(other ast.Value) int {
	if other == ast.Value(v) {
		return 0
	}
	if o, ok := other.(*veiled); ok {
		other = o.all()
	}
	return v.all().Compare(other)
}

// Hash implements ast.Value.
func (v *veiled) Hash() int { return v.inner.Hash() }

// IsGround implements ast.Value.
func (v *veiled) IsGround() bool { return true }

// String implements ast.Value.
func (v *veiled) String() string { return v.all().String() }

// Len implements ast.Object.
func (v *veiled) Len() int { return v.all().Len() }

// Copy implements ast.Object.
func (v *veiled) Copy() ast.Object { return v }

// Iter implements ast.Object.
func (v *veiled) Iter(f func(*ast.Term, *ast.Term) error) error { return v.all().Iter(f) }

// Until implements ast.Object.
func (v *veiled) Until(f func(*ast.Term, *ast.Term) bool) bool { return v.all().Until(f) }

// Foreach implements ast.Object.
func (v *veiled) Foreach(f func(*ast.Term, *ast.Term)) { v.all().Foreach(f) }

// Keys implements ast.Object.
func (v *veiled) Keys() []*ast.Term { return v.all().Keys() }

// KeysIterator implements ast.Object.
func (v *veiled) KeysIterator() ast.ObjectKeysIterator { return v.all().KeysIterator() }
