package audit

import (
	"context"
	"encoding/json"
)

// Judgement is what came of one object.
type Judgement struct {
	Asked   []string // the policies that it concerned, by ID; those without a Result passed it
	Results []Result // without Since
	// Skipped says why no policy was asked about it, if that is so although policies name its kind, as "namespace is exempt".
	Skipped string
}

// Judge asks policies what they say of an object that is already there. It is the one seam between those who find objects and those who judge
// them: who remembers judgements of equal objects is a Judge around a Judge. Implementations are safe for concurrent use.
//
// object is the object as JSON, named by about. Asked are those policies that concern it and for which only holds; all of them when only is nil.
// An error means that nothing is known of the object, never that it is good.
type Judge interface {
	Judge(ctx context.Context, about Object, object json.RawMessage, only func(policy string) bool) (Judgement, error)
}

// JudgeFunc is a function that is a Judge.
type JudgeFunc func(ctx context.Context, about Object, object json.RawMessage, only func(policy string) bool) (Judgement, error)

// Judge calls f.
func (f JudgeFunc) Judge(ctx context.Context, about Object, object json.RawMessage, only func(policy string) bool) (Judgement, error) {
	return f(ctx, about, object, only)
}
