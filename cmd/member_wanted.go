package cmd

import (
	"errors"
	"slices"

	"github.com/portcullis-dev/portcullis/policies"
	"github.com/portcullis-dev/portcullis/policies/status"
	"github.com/portcullis-dev/portcullis/webhook/registration"
	"github.com/portcullis-dev/portcullis/webhook/replicas"
)

// serving is a status.Replicas.
func (c *member) serving() ([]status.Replica, error) {
	members, err := c.replicas.Members()
	if err != nil {
		return nil, err
	}
	var out []status.Replica
	for _, m := range members {
		out = append(out, m)
	}
	return out, nil
}

// versions are those of a set's policies, by name.
func versions(set *policies.Set) map[string]string {
	out := map[string]string{}
	for _, policy := range set.Policies() {
		out[policy.Spec().ID] = policy.Spec().Digest
	}
	return out
}

// versions are those of a set's policies and of the mutators in force.
func (c *member) versions(set *policies.Set) map[string]string {
	out := versions(set)
	c.mutators.current.Load().versions(out)
	return out
}

// wanted is what the policies in force ask for. While the other replicas are not known, nobody is said to serve any of them.
func (c *member) wanted() ([]registration.Wish, error) {
	c.mu.Lock()
	set := c.loaded.Set
	c.standing = stillAsked(c.standing, set)
	c.mu.Unlock()
	switch {
	case set == nil:
		return nil, errors.New("no policies were read yet")
	case c.standsIn():
		return nil, errors.New("what was kept from before stands in for the cluster")
	case !c.identity.source.Ready():
		return nil, errors.New("there is no certificate that could be served now")
	case c.rotation != nil && len(c.rotation.CABundle()) == 0:
		return nil, errors.New("there is no authority yet for the API server to trust")
	}
	resolve, tell := c.served.resolve()
	theirs := c.mutators.current.Load()
	named := slices.ContainsFunc(set.Policies(), func(p *policies.Policy) bool { return namesKinds(p.Spec(), set.Parents) }) ||
		slices.ContainsFunc(theirs.members(), (*mutator).namesKinds)
	if named && !c.served.known() {
		return nil, errors.New("the cluster has not said which kinds it has")
	}
	defer tell()
	members, err := c.replicas.Members()
	var out []registration.Wish
	for _, policy := range set.Policies() {
		spec := policy.Spec()
		wish := registration.Wish{Policy: spec.ID, Version: spec.Digest, Interests: interests(spec, set.Parents, resolve)}
		wish.Served = err == nil && servedBy(members, set, spec.ID, spec.Digest)
		if c.flags.failurePolicy != "" || c.gatekeeper.warns() && spec.Convention == policies.Gatekeeper {
			for i := range wish.Interests {
				wish.Interests[i].Fail = false
			}
		}
		out = append(out, wish)
	}
	for _, m := range theirs.members() {
		out = append(out, registration.Wish{
			Policy: m.Name(), Version: m.digest, Interests: []registration.Interest{m.interest(resolve)},
			Served: err == nil && servedBy(members, set, m.Name(), m.digest),
		})
	}
	return out, nil
}

// servedBy reports whether every replica serves what the set of this server has under the name.
func servedBy(members []replicas.Member, set *policies.Set, name, version string) bool {
	return !slices.ContainsFunc(members, func(m replicas.Member) bool { return !m.Serves(set.Revision(), name, version) })
}
