// Package mutators edits one object, in order, and says the difference once.
//
// A Chain is a review.Reviewer: it decodes the object under review into one working copy, lets each Mutator edit it, and answers
// with one RFC 6902 patch. The API server answers 500 to a patch that does not apply, whatever the webhook's failure policy
// says, so no patch leaves a Chain unproven: it is applied to the bytes that were received, by the library the API server
// uses, and the result must be the object that was wanted; and that object is one the whole chain, run over it once more, leaves alone.
//
// Policies join a Chain through Ask. They do not write patches; they yield edits, which Ask resolves against the object as it
// stood when the policies were asked. What follows does not depend on the order of policies:
//
//   - set puts a value at a path, whatever stands there. A member that is not there is created, and so are its parents.
//   - default does so only where nothing stands. An explicit null is nothing, here and everywhere, because the API server
//     drops nulls. A set at or above the path wins over a default; below the path it adds to what the default puts there.
//   - remove takes away what stands at a path; that nothing stands there is no error.
//   - append adds a value to the list at a path, which is created if need be. With a key, the elements whose member of that
//     name equals the value's are given all the value says, and keep what else they have, defaults and what other webhooks
//     added; without, the list is left alone if it has an equal element already.
//
// If several elements answer a Where, the edit is made in each. Positions are those before any edit, whatever other edits remove, and an edit
// of an element that another edit removes goes with it. Elements are not created: a set, default or append whose path leads through a
// position beyond the list's end, or through a Where that no element answers, cannot be made.
//
// An edit that cannot be made, because of that, because its path runs through a value of the wrong type, or to what no policy may change, is a
// fault of the policy, and so is one that never comes to rest. None of the policy's edits is made then, and a finding that names policy,
// place and reason does what the policy's onError says. It is judged when the object has come to rest, so that an edit may be of an element
// that another policy adds. Edits that contradict each other refuse the request with a finding that names the policies and the paths.
//
// The mutators that Gatekeeper has are a link of their own, in package gatekeeper. It goes before Ask, so that policies see what it made.
package mutators
