package store

import (
	"testing"

	"maru.example/maru"
)

// Issue 14 §10: the cache is bounded in bytes, counts what it holds, and gives way, what was not
// used for longest first.
func TestCache(t *testing.T) {
	t.Parallel()
	p := &maru.Publication{Data: make([]byte, 1000)}
	size := cacheSize(p)
	c := newCache(10 * size)
	at := func(n int) place { return place{1, uint64(n)} }
	for n := range 12 {
		c.put(at(n), p)
	}
	if c.held() != 10*size || c.get(at(0)) != nil || c.get(at(11)) == nil {
		t.Errorf("holds %d bytes, want %d, and not the first", c.held(), 10*size)
	}
	c.get(at(2)) // the oldest is used again
	if freed := c.shrink(size + 1); freed != 2*size || c.held() != 8*size {
		t.Errorf("freed %d, holds %d", freed, c.held())
	}
	if c.get(at(2)) == nil || c.get(at(3)) != nil {
		t.Error("what was used lately is gone, or what was not is still there")
	}
	if freed := c.shrink(1 << 40); freed != 8*size || c.held() != 0 || c.shrink(1) != 0 {
		t.Errorf("freed %d, holds %d", freed, c.held())
	}
	c.put(at(1), &maru.Publication{Data: make([]byte, 4*size)})
	if c.held() != 0 {
		t.Error("a publication of a quarter of the cache is kept")
	}
}
