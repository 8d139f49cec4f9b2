package bench

import (
	"sync/atomic"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// echo sends messages on each connection, which must come back on it.
type echo struct {
	*pool
	callers []*caller
	sent    atomic.Int64
	got     atomic.Int64
	stopped atomic.Bool

	latency Histogram // the loop's
	scratch []byte    // the loop's
}

// caller is one connection. It belongs to Run's goroutine until start, then to the loop.
type caller struct {
	*echo
	i    int
	conn loop.Conn
	sequence
	sent int64
	at   []time.Duration // when message n was sent, at n modulo what is in flight
}

func newEcho(r *run) *echo { return &echo{pool: newPool(r), callers: make([]*caller, r.Connections)} }

func (w *echo) open() error {
	return w.openAll(w.Connections, func(i int, conn loop.Conn) loop.Handler {
		c := &caller{echo: w, i: i, conn: conn, sequence: sequence{source: int64(i), step: 1}, at: make([]time.Duration, w.InFlight)}
		w.callers[i] = c
		return c
	})
}

// start sends each connection's first message. The others are sent on the loop when that one
// is back, so that one goroutine alone sends on a connection.
func (w *echo) start() {
	for _, c := range w.callers {
		if w.engine.Wait(w.ctx) != nil {
			return
		}
		c.at[0], c.sent = w.now(), 1 // set first: after the send c belongs to the loop
		w.send(c.conn, w.codec.wrap(nil, c.source, 0))
	}
}

// send sends one message. A closed connection is reported elsewhere.
func (w *echo) send(conn loop.Conn, message []byte) {
	if conn.Send(loop.NewMessage(frame.Text, message)) == nil {
		w.sent.Add(1)
	}
}

// Message runs on the loop.
func (c *caller) Message(_ frame.Opcode, message []byte) { c.check(c.run, c.i, message, c.back) }

// back processes a message that has come back and sends the next one.
func (c *caller) back(n int64) {
	if n >= c.sent {
		c.fault(damaged, "connection %s got message %s, which was not sent yet", count(c.i), count(n))
		return
	}
	now, k := c.now(), int64(len(c.at))
	if at := c.at[n%k]; c.measured(at) {
		c.latency.Record(now - at)
	}
	c.got.Add(1)
	for ; c.sent <= n+k && !c.stopped.Load(); c.sent++ {
		c.at[c.sent%k] = now
		c.scratch = c.codec.wrap(c.scratch, c.source, c.sent)
		c.send(c.conn, c.scratch)
	}
}

func (c *caller) Closed(code int, reason string, err error) { c.ended(c.i, code, reason, err) }

func (w *echo) stop()          { w.stopped.Store(true) }
func (w *echo) missing() int64 { return w.sent.Load() - w.got.Load() }
func (w *echo) count() int64   { return w.got.Load() }

func (w *echo) report(r *Result) {
	r.Sent = w.sent.Load()
	r.Latency = latencyOf(&w.latency, "from sending it until it is back")
}
