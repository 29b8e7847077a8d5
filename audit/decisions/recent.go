package decisions

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"sync"
)

// What a Recent keeps unless it is told otherwise: a quarter of an hour of ten answers a second, and of memory what that many reviews of 3 KiB need.
const (
	recentRecords = 10_000
	recentBytes   = 32 << 20
)

// keptSize is about what a record takes of memory beside its texts.
const keptSize = 512

// Recent is a Sink that keeps the latest records in memory, for those who look at them. What is older than there is room for is forgotten. The zero
// value keeps 10,000 records or 32 MiB, whichever is less. It is safe for concurrent use.
type Recent struct {
	// Records and Bytes bound what is kept. They are not changed once it is used.
	Records, Bytes int

	mu        sync.RWMutex
	kept      []*kept // the oldest first
	bytes     int
	forgotten uint64
}

// kept is a record as it is kept; nothing changes it.
type kept struct {
	brief Brief
	line  []byte
}

func (k *kept) size() int { return keptSize + len(k.line) + k.brief.size() }

// ErrNotKept is why Recent loses a record: it is no record, or larger than all that may be kept.
var ErrNotKept = errors.New("it is no decision record, or there would be no room for any other beside it")

// Write keeps lines. It never waits for those who look.
func (r *Recent) Write(lines [][]byte) (lost int, err error) {
	most := r.Bytes
	if most <= 0 {
		most = recentBytes
	}
	var fresh []*kept
	for _, line := range lines {
		record, err := Parse(line)
		if err != nil {
			lost++
			continue
		}
		if k := (&kept{brief: BriefOf(&record), line: bytes.Clone(line)}); k.size() <= most {
			fresh = append(fresh, k)
		} else {
			lost++
		}
	}
	r.add(fresh, most)
	if lost > 0 {
		return lost, ErrNotKept
	}
	return 0, nil
}

// add keeps what is new, and forgets the oldest there is no room for.
func (r *Recent) add(fresh []*kept, most int) {
	records := r.Records
	if records <= 0 {
		records = recentRecords
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range fresh {
		r.bytes += k.size()
	}
	r.kept = append(r.kept, fresh...)
	old := 0
	for ; len(r.kept)-old > records || r.bytes > most; old++ {
		r.bytes -= r.kept[old].size()
		r.kept[old] = nil // or the array would hold it
	}
	r.kept = r.kept[old:]
	r.forgotten += uint64(old)
}

// Close does nothing: what is kept can still be looked at.
func (*Recent) Close() error { return nil }

// All yields what is kept now, newest first. Nothing is held up while it is looked through.
func (r *Recent) All() iter.Seq[*Brief] {
	return func(yield func(*Brief) bool) {
		for _, k := range r.snapshot() {
			if !yield(&k.brief) {
				return
			}
		}
	}
}

// Forgotten counts the records that were kept once.
func (r *Recent) Forgotten() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.forgotten
}

// snapshot is what is kept now, newest first.
func (r *Recent) snapshot() []*kept {
	r.mu.RLock()
	out := slices.Clone(r.kept)
	r.mu.RUnlock()
	slices.Reverse(out)
	return out
}

// find returns the newest record with an ID, or nil. A decision goes before an event, whose ID who made the request may have chosen.
func find(all []*kept, id string) (found *kept) {
	for _, k := range all {
		switch {
		case k.brief.ID != id:
		case k.brief.Path != PathEvent:
			return k
		case found == nil:
			found = k
		}
	}
	return found
}
