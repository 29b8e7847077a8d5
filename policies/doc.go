// Package policies is the engine: specs go in, an immutable Set comes out, and the Set answers questions.
//
// A Spec is one policy, whichever front end read it (policies/native reads Rego with METADATA and Policy objects). Compile makes
// Policies of Specs and a Set of Policies: an index that finds, in Go, which policies a request concerns, and one prepared query
// for each. An Engine is a review.Reviewer over whichever Set is in force; a Loader keeps it fed from Sources, and keeps the last
// good version of a policy whose new one is faulty.
package policies
