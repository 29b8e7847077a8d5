package policies

import (
	"cmp"
	"slices"

	"github.com/portcullis-dev/portcullis/review"
)

// asked is one rule of one policy as the index and the evaluation see it; number is its place in policy order.
type asked struct {
	*Policy
	query  *query
	number int
	// doubtful says that it cannot be told whether a request of the past concerns the policy; see Past.
	doubtful bool
}

// index finds the rules a request may concern by stage, resource and operation, without a look at any other policy.
type index map[review.Stage]*stageIndex

// stageIndex has the policies that name kinds by these, and all others by resource. Of the latter it has, for every resource some policy names, all that concern it, wildcards included; then for every group of which some
// policy names all resources, those; then the policies for any resource. So one look-up gives the whole answer, in policy order.
type stageIndex struct {
	kinds    kindIndex
	all      []asked // the others
	exact    map[Resource][]asked
	group    map[string][]asked
	wildcard []asked // any resource, or any request at all
	every    []asked // no resources named: subresources and paths included
}

func newIndex(set []*Policy) index {
	out := index{}
	for number, policy := range set {
		if policy.spec.Off() {
			continue
		}
		for _, query := range policy.queries {
			stage := out[query.stage]
			if stage == nil {
				stage = &stageIndex{exact: map[Resource][]asked{}, group: map[string][]asked{}}
				out[query.stage] = stage
			}
			stage.all = append(stage.all, asked{Policy: policy, query: query, number: number})
		}
	}
	for _, stage := range out {
		stage.build()
	}
	return out
}

func (s *stageIndex) build() {
	for _, a := range s.all {
		if len(a.spec.Match.Kinds) > 0 {
			s.kinds.add(a)
			continue
		}
		resources := a.spec.Match.Resources
		if len(resources) == 0 {
			s.every = append(s.every, a)
		}
		for _, r := range resources {
			switch {
			case r.Any:
				s.wildcard = append(s.wildcard, a)
			case r.Resource == "":
				s.group[r.Group] = append(s.group[r.Group], a)
			default:
				s.exact[r] = append(s.exact[r], a)
			}
		}
	}
	s.all = slices.DeleteFunc(s.all, func(a asked) bool { return len(a.spec.Match.Kinds) > 0 })
	s.kinds.build()
	s.wildcard = merge(s.wildcard, s.every)
	for group, list := range s.group {
		s.group[group] = merge(list, s.wildcard)
	}
	for r, list := range s.exact {
		switch {
		case r.Subresource != "":
			s.exact[r] = merge(list, s.every)
		case s.group[r.Group] != nil:
			s.exact[r] = merge(list, s.group[r.Group])
		default:
			s.exact[r] = merge(list, s.wildcard)
		}
	}
}

// merge joins lists in policy order, each rule once.
func merge(lists ...[]asked) []asked {
	out := slices.Concat(lists...)
	slices.SortStableFunc(out, func(a, b asked) int { return cmp.Compare(a.number, b.number) })
	return slices.CompactFunc(out, func(a, b asked) bool { return a.number == b.number && a.query == b.query })
}

// candidates lists, in policy order, the rules whose stage and resource, or kind, fit the request. The list is shared: it must not be
// changed.
func (x index) candidates(req *review.Request) []asked {
	stage := x[req.Stage]
	if stage == nil {
		return nil
	}
	byResource, byKind := stage.byResource(req), stage.kinds.of(req)
	switch {
	case len(byKind) == 0:
		return byResource
	case len(byResource) == 0:
		return byKind
	}
	return merge(byResource, byKind)
}

func (s *stageIndex) byResource(req *review.Request) []asked {
	t := req.Target
	switch {
	case req.Stage == review.Authenticate:
		return s.all
	case t.Path != "":
		return s.every
	case req.Stage != review.Grant && (t.Resource == "*" || t.Group == "*" || t.Subresource == "*"):
		// "May I do everything?" concerns whoever watches over anything. To a grant it is the other way round, and there the star is
		// looked up as a name, which no policy has: what is left are the policies whose match has no such condition.
		return s.all
	}
	if list, ok := s.exact[Resource{Group: t.Group, Resource: t.Resource, Subresource: t.Subresource}]; ok {
		return list
	}
	// To a guard, all of a group includes its subresources; elsewhere they are named.
	if t.Subresource != "" && req.Stage != review.Guard {
		return s.every
	}
	if list, ok := s.group[t.Group]; ok {
		return list
	}
	return s.wildcard
}

// concerns reports whether a policy's operations include the request's. A question that names none, as those about images and tokens,
// is about whatever is done; and so, but to a grant, is one about every verb.
func (m Match) concerns(req *review.Request) bool {
	if len(m.Kinds) > 0 && len(m.Resources) > 0 && !slices.ContainsFunc(m.Resources, func(r Resource) bool { return r.covers(req.Target) }) {
		return false // by its resources it was not looked up
	}
	if len(m.Operations) == 0 || slices.Contains(m.Operations, req.Verb) {
		return true
	}
	return req.Stage != review.Grant && (req.Verb == "" || req.Verb == "*")
}
