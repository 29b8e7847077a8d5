package sweep

import (
	"encoding/binary"
	"slices"

	"github.com/portcullis-dev/portcullis/audit"
)

// number stands for a policy: its place among all names there ever were.
type number uint32

// names numbers policies. A name keeps its number.
type names struct {
	number map[string]number
	name   []string
}

func (n *names) of(name string) number {
	if n.number == nil {
		n.number = map[string]number{}
	}
	if known, ok := n.number[name]; ok {
		return known
	}
	next := number(len(n.name)) //nolint:gosec // there are not so many policies
	n.number[name] = next
	n.name = append(n.name, name)
	return next
}

// pair is what one policy says of an object, all in all.
type pair struct {
	policy  number
	outcome uint8 // as ranks has it: the larger, the worse
}

// ranks are the outcomes from the best to the worst.
func ranks() [5]audit.Outcome {
	return [...]audit.Outcome{audit.Pass, audit.Skip, audit.Warn, audit.Fail, audit.Fault}
}

func rank(o audit.Outcome) uint8 {
	for i, known := range ranks() {
		if o == known {
			return uint8(i)
		}
	}
	return rank(audit.Fault)
}

// profiles are what policies say of objects, each kept once for all objects of a namespace of which they say the same: of most of a kind.
type profiles struct {
	list  []profile
	known map[string]uint32
	free  []uint32
}

type profile struct {
	namespace string
	pairs     []pair // by policy
	objects   int
}

// take returns the profile of the pairs in a namespace for one more object.
func (p *profiles) take(namespace string, pairs []pair) uint32 {
	slices.SortFunc(pairs, func(a, b pair) int { return int(a.policy) - int(b.policy) })
	spelt := spell(namespace, pairs)
	if p.known == nil {
		p.known = map[string]uint32{}
	}
	at, ok := p.known[spelt]
	switch {
	case ok:
	case len(p.free) > 0:
		at = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.list[at] = profile{namespace: namespace, pairs: slices.Clone(pairs)}
		p.known[spelt] = at
	default:
		at = uint32(len(p.list)) //nolint:gosec // no more than there are objects
		p.list = append(p.list, profile{namespace: namespace, pairs: slices.Clone(pairs)})
		p.known[spelt] = at
	}
	p.list[at].objects++
	return at
}

// give takes one object from a profile.
func (p *profiles) give(at uint32) {
	if p.list[at].objects--; p.list[at].objects == 0 {
		delete(p.known, spell(p.list[at].namespace, p.list[at].pairs))
		p.list[at] = profile{}
		p.free = append(p.free, at)
	}
}

func spell(namespace string, pairs []pair) string {
	text := make([]byte, 0, len(namespace)+1+5*len(pairs))
	text = append(append(text, namespace...), 0) // which is in no name
	for _, one := range pairs {
		text = append(binary.LittleEndian.AppendUint32(text, uint32(one.policy)), one.outcome)
	}
	return string(text)
}
