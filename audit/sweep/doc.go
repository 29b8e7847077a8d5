// Package sweep finds the objects of a cluster that policies are about, has each pair of an object and a policy judged once, and keeps what came of it.
//
// Every kind is listed in pages and then watched. Of an object that no policy has anything to say about 38 to 76 bytes are kept, whatever its size;
// an object that changes is judged again by itself, and a policy that changes by itself. Replicas share the objects by rendezvous hashing, so
// that each is judged by exactly one. Who judges is an audit.Judge; the package knows neither policies nor Rego.
package sweep
