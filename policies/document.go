package policies

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Document is an object that a Source found and that is no policy: a mutator, or what the policies are configured with. Whoever is
// concerned with its kind takes it from there.
type Document struct {
	File   string
	Row    int // of its first line; 0 when that is not known
	Object *unstructured.Unstructured
	// At returns the place, "file:row", of the member to which a path of keys and positions leads, or of the last on the way that is there.
	At func(path ...string) string

	listed bool // it came in a Bundle that is Listed
}
