package policies

import "context"

// Bundle is everything one Source has to offer at one moment.
type Bundle struct {
	Specs  []Spec
	Faults Faults // what could not be read; its policies keep their last good version
}

// Source yields the current Bundle, then each later one, until ctx ends; then it returns nil. It returns an error when it can never
// yield anything. yield is called from one goroutine at a time.
type Source interface {
	Run(ctx context.Context, yield func(Bundle)) error
}

// SourceFunc is a function that is a Source.
type SourceFunc func(ctx context.Context, yield func(Bundle)) error

// Run calls f.
func (f SourceFunc) Run(ctx context.Context, yield func(Bundle)) error { return f(ctx, yield) }
