package calls

import "maru.example/maru/internal/shares"

// Held returns how many calls of other nodes are not over.
func (c *Calls) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.served)
}

// Bound sets how many bytes are held for other nodes.
func (c *Calls) Bound(n int64) { c.shares = shares.New(n, "bytes", nil) }

// BoundCalls sets how many calls of other nodes there are at a time.
func (c *Calls) BoundCalls(n int64) { c.counts = shares.New(n, "calls", nil) }

// DropAll forgets all calls of other nodes.
func (c *Calls) DropAll() { c.forgetAll(func(key) bool { return true }) }
