package store

import (
	"container/list"
	"sync"

	"maru.example/maru"
)

// A cache holds publications that were published or read lately, up to a number of bytes.
// It is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	max   int64
	bytes int64
	known map[place]*list.Element
	order list.List // of *cached, the one used last in front
}

// A place names a publication.
type place struct {
	namespace uint32
	offset    uint64
}

type cached struct {
	place
	publication *maru.Publication
}

// cachedBytes is what a publication costs in the cache beside its data: the publication
// itself, the element of the list and the entry of the map.
const cachedBytes = 320

func newCache(max int64) *cache { return &cache{max: max, known: make(map[place]*list.Element)} }

func (c *cache) get(at place) *maru.Publication {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.known[at]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).publication
}

func (c *cache) put(at place, p *maru.Publication) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := cacheSize(p)
	if c.known[at] != nil || size > c.max/4 {
		return
	}
	c.known[at] = c.order.PushFront(&cached{at, p})
	c.bytes += size
	for c.bytes > c.max {
		c.drop(c.order.Back())
	}
}

// forget removes a publication that is no longer retained.
func (c *cache) forget(at place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.known[at]; e != nil {
		c.drop(e)
	}
}

func (c *cache) drop(e *list.Element) {
	gone := c.order.Remove(e).(*cached)
	delete(c.known, gone.place)
	c.bytes -= cacheSize(gone.publication)
}

func (c *cache) held() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func cacheSize(p *maru.Publication) int64 {
	return cachedBytes + int64(cap(p.Data)+len(p.Key)+len(p.User))
}

// shrink removes what was used longest ago until it has freed so many bytes, and returns how
// many it has freed.
func (c *cache) shrink(bytes int64) (freed int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.bytes
	for c.order.Len() > 0 && before-c.bytes < bytes {
		c.drop(c.order.Back())
	}
	return before - c.bytes
}
