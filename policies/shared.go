package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// sharedCache is the cache of rules' values in one query, of which the part that is the same for every policy outlives the query: what
// data.portcullis.kubernetes makes of a review, its containers and images, is worked out once and not by each policy anew.
//
// A value may be shared if its package is the same for all policies and reads nothing of the input that differs between them, which
// is Spec.Shared's promise, and only outside of "with", which changes what rules see.
type sharedCache struct {
	topdown.VirtualCache // the query's own

	shared   topdown.VirtualCache
	packages []ast.Ref
	withs    int // how many "with" are in force
}

// Push begins a "with".
func (c *sharedCache) Push() {
	c.withs++
	c.VirtualCache.Push()
}

// Pop ends one.
func (c *sharedCache) Pop() {
	c.withs--
	c.VirtualCache.Pop()
}

// Get returns what is known of a rule's value.
func (c *sharedCache) Get(ref ast.Ref) (*ast.Term, bool) {
	if c.shares(ref) {
		return c.shared.Get(ref)
	}
	return c.VirtualCache.Get(ref)
}

// Put keeps a rule's value.
func (c *sharedCache) Put(ref ast.Ref, value *ast.Term) {
	if c.shares(ref) {
		c.shared.Put(ref, value)
		return
	}
	c.VirtualCache.Put(ref, value)
}

func (c *sharedCache) shares(ref ast.Ref) bool {
	return c.withs == 0 && slices.ContainsFunc(c.packages, ref.HasPrefix)
}
