package gateway

import (
	"sync/atomic"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// inflight bounds the publications of one connection in progress: above maru.MaxInflight the
// connection is paused until there is room. With a broker in memory nothing is ever in
// progress.
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
