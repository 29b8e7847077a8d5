package policies

import "context"

// Bundle is everything one Source has to offer at one moment.
type Bundle struct {
	Specs []Spec
	// Exceptions are those that can be read. One that cannot, not even in part, excepts nothing.
	Exceptions []Exception
	// Templates are the files of the Gatekeeper templates that were accepted, each as often as it has one. What is in force of them are Specs.
	Templates []string
	Documents []Document // what lies among the policies and is for others to read: mutators, and how policies are configured
	Faults    Faults     // what could not be read; its policies keep their last good version
	Notes     []string   // what is no fault and should be known all the same, each a sentence behind file and row
	// Earlier are good versions of policies that may be faulty now, for a server that has none of its own.
	Earlier []Spec
	// EarlierDocuments are the same of Documents.
	EarlierDocuments []Document
	// Listed says that the bundle comes from an API that lists completely: if there are no policies in it, there are none. A faulty policy
	// of such a bundle, which anybody may send whom the API lets, does not keep a server from starting: it is left out and reported.
	Listed bool
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
