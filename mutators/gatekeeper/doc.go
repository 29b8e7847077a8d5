// Package gatekeeper has Gatekeeper's mutators, Assign, AssignMetadata, ModifySet and AssignImage, so that those a team has keep
// working as they are written. Read makes one of its document, and a Set of them is one link of a mutators.Chain.
//
// Each leads along its location to places in the object, and sets something there:
//
//   - A name leads into an object's member of that name: spec.replicas. One that does not begin with a letter, a dash or an underscore,
//     or has anything but those and digits in it, is quoted, with ' or ": metadata.labels."example.com/team". In quotes a backslash
//     takes from the character after it whatever meaning it has.
//   - A name with a key leads into the elements of a list whose member of that name has the value: spec.containers[name: app]. The value
//     is a name as above, or a whole number without a sign: ports[containerPort: 8080]. An asterisk is every element:
//     containers[name: *]; in quotes it is the name "*".
//   - Spaces may stand between all of these.
//
// What is missing on the way is made, objects, lists and elements with their key, but not by an asterisk, which finds what is there.
// parameters.pathTests say of beginnings of the location whether something must, or must not, stand there; where a test does not hold,
// nothing is set. A null is nothing, because the API server drops it.
//
// A value of the wrong type on the way is an error, which names mutator and place: nobody can say then what the object should be, and the
// webhook's failure policy decides. Gatekeeper refuses the request, whatever the failure policy. Errors quote no values.
//
// In a Set the mutators run by kind and by name, whatever the order in which they were given, and again until a pass leaves the object as
// it was, so that one may build on what a later one made. Two that set one place to different values do not contradict each other: the
// later one has the last word. Two that do not agree about what an object looks like do, and neither is applied: see NewSet.
package gatekeeper
