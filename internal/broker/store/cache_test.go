package store

import (
	"testing"

	"maru.example/maru"
)

// The cache has a bound, keeps what was used last, and gives memory back.
func TestCache(t *testing.T) {
	t.Parallel()
	c := newCache(10 * (cachedBytes + 1000))
	for i := range uint64(30) {
		c.put(place{1, i}, &maru.Publication{Data: make([]byte, 1000)})
		if c.get(place{1, 0}) == nil {
			t.Fatalf("the one that is used is gone after %d", i)
		}
	}
	if c.held() > c.max || len(c.known) != 10 || c.get(place{1, 29}) == nil || c.get(place{1, 15}) != nil {
		t.Errorf("%d bytes, %d publications", c.held(), len(c.known))
	}
	c.put(place{1, 99}, &maru.Publication{Data: make([]byte, 9000)})
	if c.get(place{1, 99}) != nil {
		t.Error("one publication takes most of the cache")
	}
	if freed := c.shrink(1); freed != cachedBytes+1000 {
		t.Errorf("%d were freed", freed)
	}
	if c.shrink(1 << 20); c.held() != 0 || c.get(place{1, 0}) != nil {
		t.Errorf("%d bytes are left", c.held())
	}
}
