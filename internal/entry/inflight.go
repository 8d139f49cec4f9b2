package entry

import (
	"sync/atomic"

	"maru.example/maru/internal/loop"
)

// maxInflight is how many publications of one connection may be on their way to
// the broker before it is no longer read.
const maxInflight = 64

// Inflight bounds what one connection has on its way to the broker: past
// maxInflight the connection is paused, and goes on when there is room. A broker
// in memory never has anything on its way.
type Inflight struct{ n atomic.Int32 }

// Begin is called on the connection's loop before a publication is submitted.
func (f *Inflight) Begin() { f.n.Add(1) }

// Submitted is called on the loop after it.
func (f *Inflight) Submitted(c loop.Conn) {
	if f.n.Load() < maxInflight {
		return
	}
	c.Pause()
	if f.n.Load() < maxInflight { // the last one was done before the pause was posted
		c.Resume()
	}
}

// Done is called when the broker has answered, in any goroutine.
func (f *Inflight) Done(c loop.Conn) {
	if f.n.Add(-1) == maxInflight-1 {
		c.Resume()
	}
}
