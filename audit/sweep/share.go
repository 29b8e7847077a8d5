package sweep

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"
	"slices"
)

// key names an object of one resource. It is a part of a cryptographic hash: nobody can name an object so that it is taken for another.
type key [16]byte

func keyOf(resource, namespace, name string) key {
	text := make([]byte, 0, 128)
	for _, part := range [...]string{resource, namespace, name} {
		text = append(append(text, part...), 0)
	}
	sum := sha256.Sum256(text)
	return key(sum[:16])
}

// share tells which of the live replicas judges an object: the one whose weight for it is the greatest. When one goes, its objects alone change
// hands, and when one comes, it takes its own alone. All replicas that know of the same ones agree. It is immutable.
type share struct {
	own   uint64
	seeds []uint64 // of all, the own included
	names []string // in order
}

// newShare is the share of a replica among the live ones; who is not among them counts as one.
func newShare(own string, live []string) share {
	names := slices.Clone(live)
	if !slices.Contains(names, own) {
		names = append(names, own)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	out := share{own: seed(own), names: names}
	for _, name := range names {
		out.seeds = append(out.seeds, seed(name))
	}
	return out
}

func seed(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return mix(h.Sum64())
}

// mine reports whether this replica judges the object.
func (s share) mine(k key) bool {
	if len(s.seeds) < 2 {
		return true
	}
	object := binary.LittleEndian.Uint64(k[:8])
	own := mix(object ^ s.own)
	for _, other := range s.seeds {
		if w := mix(object ^ other); w > own || w == own && other > s.own {
			return false
		}
	}
	return true
}

func (s share) equal(other share) bool { return slices.Equal(s.names, other.names) }

// mix spreads every bit of x over all bits, as splitmix64 does.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
