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
// is Spec.Shared's promise, and only outside of "with", which changes what rules see. It is shared once its query is through and no
// built-in function has failed in it: a failure is told to the query it happens in, and the others would find undefined and no failure.
type sharedCache struct {
	topdown.VirtualCache // the query's own

	shared   topdown.VirtualCache
	packages []ast.Ref
	withs    int // how many "with" are in force
	fresh    []computed
}

// computed is a value that may be shared once the query is through. A nil value is undefined.
type computed struct {
	ref   ast.Ref
	value *ast.Term
}

// share gives what the query worked out to those after it.
func (c *sharedCache) share() {
	for _, known := range c.fresh {
		c.shared.Put(known.ref, known.value)
	}
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
		if value, undefined := c.shared.Get(ref); value != nil || undefined {
			return value, undefined
		}
	}
	return c.VirtualCache.Get(ref)
}

// Put keeps a rule's value.
func (c *sharedCache) Put(ref ast.Ref, value *ast.Term) {
	if c.shares(ref) {
		c.fresh = append(c.fresh, computed{slices.Clone(ref), value}) // the evaluation goes on using its references
	}
	c.VirtualCache.Put(ref, value)
}

func (c *sharedCache) shares(ref ast.Ref) bool {
	return c.withs == 0 && slices.ContainsFunc(c.packages, ref.HasPrefix)
}
