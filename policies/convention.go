package policies

import (
	"github.com/portcullis-dev/portcullis/review"
)

// Convention is how a policy's rules see a request and what they return. Its zero value is our own.
type Convention uint8

// The conventions.
const (
	// Native: input is the review as the API server sent it, with "parameters" and "namespace" beside the review's own members; findings are
	// texts or objects {message, field, details}.
	Native Convention = iota
	// Gatekeeper: input is {"review": the admission request with namespaceObject, "parameters": ...}, and the rule violation yields
	// {msg, details}. Such a policy is asked at review.Validate alone, and may read the cluster's objects at data.inventory.
	Gatekeeper
)

// ViolationRule is the one rule of a policy of the Gatekeeper convention.
const ViolationRule = "violation"

// GroupKind names kinds of objects: "*" as Group or Kind is any of them, and the empty Group is the core one.
type GroupKind struct{ Group, Kind string }

// Matcher is a condition that a front end brings along.
type Matcher interface {
	// Covers reports whether the condition holds for the request. It is called while the request waits, on any goroutine, and must not wait
	// for anything itself. An error means that it cannot be told, which is a fault of the policy and never "no".
	//
	// Namespace returns what is known of the namespace that the request is in; it works out its answer when it is called.
	Covers(req *review.Request, namespace func() (Namespace, error)) (bool, error)
}

// MatcherFunc is a function that is a Matcher.
type MatcherFunc func(req *review.Request, namespace func() (Namespace, error)) (bool, error)

// Covers calls f.
func (f MatcherFunc) Covers(req *review.Request, namespace func() (Namespace, error)) (bool, error) {
	return f(req, namespace)
}
