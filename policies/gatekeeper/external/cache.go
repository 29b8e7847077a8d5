package external

import (
	"container/list"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/policies/language"
)

const (
	// maxEntries and maxBytes bound what is remembered of all Providers together: a few thousand images, with a page of text each at most.
	maxEntries = 10_000
	maxBytes   = 16 << 20
	// entryBytes is about what an entry takes beside its texts.
	entryBytes = 200
)

// cacheKey is one key of one version of a Provider.
type cacheKey struct{ provider, key string }

// cache remembers what Providers said of keys, for a time, and forgets first what was not asked for the longest. It is safe for concurrent
// use.
type cache struct {
	ttl time.Duration
	now func() time.Time

	mu      sync.Mutex
	entries map[cacheKey]*list.Element
	recent  *list.List // of *cached, the last that was asked first
	bytes   int
}

type cached struct {
	key   cacheKey
	item  language.ExternalItem
	until time.Time
	bytes int
}

func newCache(ttl time.Duration, now func() time.Time) *cache {
	return &cache{ttl: ttl, now: now, entries: map[cacheKey]*list.Element{}, recent: list.New()}
}

// get returns what is remembered of a key.
func (c *cache) get(key cacheKey) (language.ExternalItem, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element := c.entries[key]
	if element == nil {
		return language.ExternalItem{}, false
	}
	found := element.Value.(*cached) //nolint:forcetypeassert // there is nothing else in the list
	if !c.now().Before(found.until) {
		c.remove(element)
		return language.ExternalItem{}, false
	}
	c.recent.MoveToFront(element)
	return found.item, true
}

// put remembers an item that takes so many bytes.
func (c *cache) put(key cacheKey, item language.ExternalItem, bytes int) {
	bytes += len(key.key) + entryBytes
	if c.ttl < 0 || bytes > maxBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if element := c.entries[key]; element != nil {
		c.remove(element)
	}
	c.entries[key] = c.recent.PushFront(&cached{key: key, item: item, until: c.now().Add(c.ttl), bytes: bytes})
	c.bytes += bytes
	for c.bytes > maxBytes || len(c.entries) > maxEntries {
		c.remove(c.recent.Back())
	}
}

func (c *cache) remove(element *list.Element) {
	gone := c.recent.Remove(element).(*cached) //nolint:forcetypeassert // there is nothing else in the list
	delete(c.entries, gone.key)
	c.bytes -= gone.bytes
}
