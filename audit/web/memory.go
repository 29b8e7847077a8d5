package web

import (
	"maps"
	"sync"
	"time"
)

// memory keeps answers for a while, and no more than a number of them.
type memory[K comparable, V any] struct {
	bound int
	now   func() time.Time

	mu   sync.Mutex
	kept map[K]kept[V]
}

type kept[V any] struct {
	value V
	until time.Time
}

func newMemory[K comparable, V any](bound int, now func() time.Time) *memory[K, V] {
	return &memory[K, V]{bound: bound, now: now, kept: map[K]kept[V]{}}
}

func (m *memory[K, V]) get(key K) (value V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one, ok := m.kept[key]
	if !ok || !m.now().Before(one.until) {
		return value, false
	}
	return one.value, true
}

// put keeps an answer. When there is no room what has run out is forgotten, and if nothing has, everything: answers can be asked for again.
func (m *memory[K, V]) put(key K, value V, lasts time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if len(m.kept) >= m.bound {
		maps.DeleteFunc(m.kept, func(_ K, one kept[V]) bool { return !now.Before(one.until) })
	}
	if len(m.kept) >= m.bound {
		clear(m.kept)
	}
	m.kept[key] = kept[V]{value, now.Add(lasts)}
}
