package sweep

import (
	"time"

	"github.com/portcullis-dev/portcullis/audit"
)

// Resource is one that a cluster serves, in one of its versions.
type Resource struct {
	Group, Version, Name, Kind string // "apps", "v1", "deployments", "Deployment"
	Namespaced                 bool
	// Within is the one namespace whose objects are listed, with the rights that are given in it; of the resource "namespaces" it is that one. Empty
	// is everything.
	Within string
}

// String is the resource as policies name it, "deployments.apps".
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// isNamespaces reports whether it is that of the namespaces themselves.
func (r Resource) isNamespaces() bool { return r.Group == "" && r.Name == "namespaces" }

// apiVersion is its group and version as manifests spell them.
func (r Resource) apiVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Policies are those in force, and who asks them. They are not changed once they were handed over.
type Policies struct {
	Revision string
	List     []Policy
	Judge    audit.Judge
}

// Policy is what a sweep must know of one.
type Policy struct {
	audit.Policy
	// Version is equal for policies that say the same of the same object: whatever makes a difference is in it.
	Version string
	// Concerns reports whether it may be asked about objects of a resource.
	Concerns func(Resource) bool
	// Until is when it may say something else although nothing has changed, as when an exception expires. Zero is never.
	Until time.Time
}

func (p Policy) concerns(r Resource) bool {
	return p.Unaudited == "" && p.Concerns != nil && p.Concerns(r)
}

// concern reports whether some policy may be asked about objects of a resource.
func (p *Policies) concern(r Resource) bool {
	for _, policy := range p.List {
		if policy.concerns(r) {
			return true
		}
	}
	return false
}

// byID are the policies by their names; nil has none.
func (p *Policies) byID() map[string]Policy {
	out := map[string]Policy{}
	if p != nil {
		for _, policy := range p.List {
			out[policy.ID] = policy
		}
	}
	return out
}
