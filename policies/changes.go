package policies

// compare says in which policies the Set differs from the one before. What did not change was not compiled again, so a policy that is
// the same is the same pointer. Either Set may be nil.
func (l *Load) compare(previous *Set) {
	before, after := byID(previous), byID(l.Set)
	for _, policy := range l.Set.list() {
		switch old, known := before[policy.spec.ID]; {
		case !known:
			l.Added = append(l.Added, policy.spec.ID)
		case old != policy:
			l.Changed = append(l.Changed, policy.spec.ID)
		}
	}
	for _, policy := range previous.list() {
		if after[policy.spec.ID] == nil {
			l.Removed = append(l.Removed, policy.spec.ID)
		}
	}
}

// list is Policies, also of no Set.
func (s *Set) list() []*Policy {
	if s == nil {
		return nil
	}
	return s.policies
}

func byID(s *Set) map[string]*Policy {
	out := map[string]*Policy{}
	for _, policy := range s.list() {
		out[policy.spec.ID] = policy
	}
	return out
}
