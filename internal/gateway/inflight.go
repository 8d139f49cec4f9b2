package gateway

import (
	"sync/atomic"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// inflight bounds what one connection has on its way to the broker: past
// maru.MaxInflight the connection is paused, and goes on when there is room. A broker
// in memory never has anything on its way.
type inflight struct{ n atomic.Int32 }

// begin is called on the connection's loop before a publication is submitted.
func (f *inflight) begin() { f.n.Add(1) }

// submitted is called on the loop after it.
func (f *inflight) submitted(c loop.Conn) {
	if f.n.Load() < maru.MaxInflight {
		return
	}
	c.Pause()
	if f.n.Load() < maru.MaxInflight { // the last one was done before the pause was posted
		c.Resume()
	}
}

// done is called when the broker has answered, in any goroutine.
func (f *inflight) done(c loop.Conn) {
	if f.n.Add(-1) == maru.MaxInflight-1 {
		c.Resume()
	}
}
