package mutators

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/review"
)

// maxRounds bounds how often the links are run over their own result. Most chains are at rest after the first round, which the
// second proves. A policy that works on every container sees in the second round what another has added in the first; that a third
// reacts to that is rare, and more is a circle.
const maxRounds = 4

// settle runs the links until they leave the object alone, and returns the last round. A policy that never lets it come to rest, or some of
// whose edits can be made and others later cannot, is put aside, and all begins anew without its edits: half of what a policy wants is not
// what it wants. Each beginning has a policy less, so there is an end. On an error settle still returns what was gathered.
func (c Chain) settle(ctx context.Context, req *review.Request, object map[string]any) (*run, error) {
	var but aside
	for {
		rounds, rest, err := c.rounds(ctx, req, object, but)
		last := rounds[len(rounds)-1]
		if err != nil {
			last.tell(but)
			return last, err
		}
		faults := relapsed(rounds)
		if len(faults) == 0 && !rest {
			if faults, err = c.restless(ctx, rounds); err != nil {
				return last, err
			}
		}
		but = but.and(faults...)
		switch {
		case refuse(faults), rest && refuse(last.faults):
			last.tell(but)
			return last, &RefusalError{}
		case len(faults) == 0:
			last.tell(but)
			return last, nil
		}
	}
}

// tell adds to the findings the faults of this round and those of the policies aside.
func (r *run) tell(but aside) {
	own := slices.DeleteFunc(slices.Clone(r.faults), func(f review.Finding) bool {
		_, is := but[f.Policy]
		return is
	})
	r.findings = slices.Concat(r.findings, own, but.faults())
}

// rounds runs the links over the object, then over what they made of it, until a round changes nothing, which is rest, or is one too many.
// The API server may run the chain over its own result, when another webhook changed the object after it: a chain that is never at rest would
// add a second sidecar then.
func (c Chain) rounds(ctx context.Context, req *review.Request, object map[string]any, but aside) (rounds []*run, rest bool, err error) {
	for {
		r, err := c.run(ctx, req, object, but)
		rounds = append(rounds, r)
		if err != nil {
			return rounds, false, err
		}
		if rest = r.rest(); rest || len(rounds) == maxRounds {
			return rounds, rest, nil
		}
		object = r.obj.Object
		if req, err = about(req, object); err != nil {
			return rounds, false, err
		}
	}
}

// relapsed returns the faults of policies that had none in the round before. Their edits of that round are in the object.
func relapsed(rounds []*run) []review.Finding {
	for i, r := range rounds[1:] {
		var out []review.Finding
		for _, f := range r.faults {
			if !slices.ContainsFunc(rounds[i].faults, func(before review.Finding) bool { return before.Policy == f.Policy }) {
				out = append(out, f)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// restless returns the faults of the policies for which rounds did not end at rest: of those whose edits go on changing the object, the ones
// that do so without the others, as one that adds a container each time while another only labels what it added; or all, if they keep each
// other going. It is an error if there is none, for then it is a link that asks no policies.
func (c Chain) restless(ctx context.Context, rounds []*run) ([]review.Finding, error) {
	first, last := rounds[0], rounds[len(rounds)-1]
	suspects, err := movers(ctx, circle(rounds))
	if err != nil {
		return nil, err
	}
	if len(suspects) == 0 {
		return nil, c.culprit(ctx, last)
	}
	var alone, together []review.Finding
	for _, s := range suspects {
		others := first.but
		for _, o := range suspects {
			if o.edit.Policy != s.edit.Policy {
				others = others.and(o.fault(nil))
			}
		}
		_, rest, err := c.rounds(ctx, first.req, first.before, others)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && !rest {
			alone = append(alone, s.fault(nil))
		}
		together = append(together, s.fault(suspects))
	}
	if len(alone) > 0 {
		return alone, nil
	}
	return together, nil
}

// circle returns the rounds since the object was last what it is after them all; if it never was, the last one.
func circle(rounds []*run) []*run {
	last := len(rounds) - 1
	for i := last; i >= 0; i-- {
		if equal(rounds[i].before, rounds[last].obj.Object) {
			return rounds[i:]
		}
	}
	return rounds[last:]
}

// mover is a policy whose edits change the object.
type mover struct {
	edit review.Edit // one of them
	at   location    // a place that is changed
}

// movers returns the policies whose edits change the object in rounds, by name.
func movers(ctx context.Context, rounds []*run) ([]mover, error) {
	var out []mover
	moving := func(policy string) bool {
		return slices.ContainsFunc(out, func(m mover) bool { return m.edit.Policy == policy })
	}
	for _, r := range rounds {
		for _, m := range r.made {
			tried := map[string]bool{}
			for _, e := range m.edits {
				if tried[e.Policy] || moving(e.Policy) {
					continue
				}
				tried[e.Policy] = true
				at, moves, err := m.moved(ctx, e.Policy)
				if err != nil {
					return nil, err
				}
				if moves {
					out = append(out, mover{e, at})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b mover) int { return cmp.Compare(a.edit.Policy, b.edit.Policy) })
	return out, nil
}

// moved returns the first place that the edits of one policy change by themselves.
func (m made) moved(ctx context.Context, policy string) (at location, moves bool, err error) {
	own := slices.DeleteFunc(slices.Clone(m.edits), func(e review.Edit) bool { return e.Policy != policy })
	copied, err := clone(m.before)
	if err != nil {
		return nil, false, err
	}
	alone, _ := copied.(map[string]any)
	faults, _, err := apply(ctx, alone, own)
	if err != nil || len(faults) > 0 {
		return nil, false, err
	}
	at, moves = difference(m.before, alone)
	return at, moves, nil
}

// fault is the finding that stands for the mover, which goes on because of some others if they are given.
func (m mover) fault(among []mover) review.Finding {
	whose := "its edits"
	var others []string
	for _, o := range among {
		if o.edit.Policy != m.edit.Policy {
			others = append(others, fmt.Sprintf("%q", o.edit.Policy))
		}
	}
	if len(others) > 0 {
		whose += " and those of " + strings.Join(others, ", ")
	}
	return fault(m.edit, fmt.Sprintf("%s never come to rest: made again, they go on changing %s; what they want must hold once they are made",
		whose, m.at), m.at.String())
}

// culprit is the error that names the last link that changes the object in a round, which is run once more: the request fails anyway.
func (c Chain) culprit(ctx context.Context, last *run) error {
	at, _ := difference(last.before, last.obj.Object)
	name := "the chain of mutators"
	r, err := newRun(last.req, last.before, last.but)
	if err != nil {
		return err
	}
	for _, m := range c {
		before, err := clone(r.obj.Object)
		if err == nil {
			err = r.let(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("mutator %q: %w", m.Name(), err)
		}
		if !equal(lookup(before, at), lookup(r.obj.Object, at)) {
			name = fmt.Sprintf("mutator %q", m.Name())
		}
	}
	return fmt.Errorf("%s is not idempotent: applied again and again, it goes on changing %s", name, at)
}
