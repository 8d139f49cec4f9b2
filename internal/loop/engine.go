package loop

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
)

// Options are the limits and timeouts of an engine. Zero fields mean the defaults.
type Options struct {
	Loops             int           // default GOMAXPROCS
	MaxMessageBytes   int64         // of a whole message, inflated; default 1 MiB, negative: no bound. Beyond: 1009
	DeflateMinBytes   int           // smaller messages are not compressed; default 0: all are
	PingInterval      time.Duration // silence after which a peer is pinged; default 25 s, negative: never
	PingTimeout       time.Duration // for any sign of life after the ping; default 10 s
	CloseTimeout      time.Duration // for the peer's half of the closing handshake; default 5 s
	HeartbeatInterval time.Duration // from one heartbeat of bare framing to the next, see Params.Heartbeat; default 15 s
	BacklogBytes      int           // that a socket refused and that wait; default 1 MiB
	BacklogMessages   int           // the same, counted; default 1,000
	BacklogAge        time.Duration // of the oldest that waits; default 30 s
	InboxBytes        int64         // posted to one loop and not yet taken; beyond, publishers wait; default 16 MiB
	SendBytes         int64         // posted to one connection and not yet written; beyond, Send refuses; default 16 MiB
	NoRing            bool          // never use io_uring, even where there is
	Goroutines        bool          // never use epoll, even where there is
}

func (o Options) withDefaults() Options {
	o.Loops = cmp.Or(max(o.Loops, 0), runtime.GOMAXPROCS(0))
	o.MaxMessageBytes = cmp.Or(o.MaxMessageBytes, maru.DefaultMessageBytes)
	o.PingInterval = cmp.Or(o.PingInterval, maru.DefaultPingInterval)
	o.PingTimeout = cmp.Or(o.PingTimeout, maru.DefaultPingTimeout)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 5*time.Second)
	o.HeartbeatInterval = cmp.Or(o.HeartbeatInterval, 15*time.Second)
	o.BacklogBytes = cmp.Or(o.BacklogBytes, maru.DefaultBacklogBytes)
	o.BacklogMessages = cmp.Or(o.BacklogMessages, maru.DefaultBacklogMessages)
	o.BacklogAge = cmp.Or(o.BacklogAge, maru.DefaultBacklogAge)
	o.InboxBytes = cmp.Or(o.InboxBytes, 16<<20)
	o.SendBytes = cmp.Or(o.SendBytes, 16<<20)
	return o
}

// Engine is a set of loops. Its methods are safe for concurrent use.
type Engine struct {
	options  Options
	loops    []*Loop
	clock    *clock
	live     atomic.Int64  // connections opened and not yet closed
	arriving atomic.Int64  // connections accepted and not yet decided on
	turn     atomic.Uint32 // spreads connections over loops
	running  sync.WaitGroup

	mu       sync.RWMutex // Open against Shutdown
	draining bool

	empty       chan struct{} // closed when draining and live is 0
	signalEmpty func()        // closes it, once
	stopClock   func()        // ends the clock, once
}

// New starts an engine. It runs until Shutdown.
func New(o Options) *Engine {
	e := &Engine{options: o.withDefaults(), empty: make(chan struct{})}
	e.signalEmpty = sync.OnceFunc(func() { close(e.empty) })
	stop := make(chan struct{})
	e.stopClock = sync.OnceFunc(func() { close(stop) })
	e.clock = newClock(e.options)
	for range e.options.Loops {
		e.loops = append(e.loops, newLoop(e))
	}
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
	e.running.Go(func() { e.clock.run(stop, e.loops) })
	return e
}

// Params are the parameters of one connection, most of them from its handshake.
type Params struct {
	Client      bool              // we dialled: our frames are masked, the peer's are not
	Compression frame.Compression // as negotiated; with Takeover nothing compressed is shared
	Inflater    *frame.Inflater   // the peer's context, if messages of it were read before; nil: a new one if it keeps one
	Preface     []byte            // written before all else: the server's answer to the handshake
	Held        bool              // nothing is written before Conn.Start, so that a connection can join its groups first
	Paused      bool              // nothing is read before Conn.Resume
	Recovers    bool              // the peer can reconnect and recover: if it is too slow it is closed with 4408, not 1013

	Framing Framing // default FrameWebSocket

	// Heartbeat is the time from one message of the connection's HeartbeatHandler to the
	// next, rounded up to a tick of the engine. 0 is Options.HeartbeatInterval with
	// FrameBare, and no heartbeat for a WebSocket, which has pings. Negative is none. A
	// WebSocket with heartbeats is also pinged if its peer is silent.
	Heartbeat time.Duration
}

// form is the value of slot.form.
func (p Params) form() uint32 {
	if framings[p.Framing].asIs {
		return uint32(plainForm)
	}
	f := form(p.Compression.DeflateBits)
	if p.Compression.Takeover {
		f |= takesOver
	}
	return uint32(f)
}

// Handler receives the events of a connection. Its methods run on the connection's loop,
// one at a time, and must not block.
type Handler interface {
	// Message receives a whole text or binary message. Text is valid UTF-8. The data is
	// valid only during the call.
	Message(op frame.Opcode, data []byte)

	// Closed is called last and exactly once. It gets the code and reason of the peer's
	// close frame, 1005 for one without a code. After a fault of the peer it gets our code,
	// with an err. A peer that vanished or never answered our close frame gives 1006, with
	// an err (RFC 6455 §7.1.5).
	Closed(code int, reason string, err error)
}

// A PongHandler is a Handler that receives pongs.
type PongHandler interface{ Pong(data []byte) }

// A FarewellHandler is a Handler with a last message, sent before the engine closes
// its connection by Conn.Farewell or Shutdown; nil is nothing.
type FarewellHandler interface{ Farewell() *Message }

// A HeartbeatHandler is a Handler that sends the peer signs of life. The message that
// Heartbeat returns is sent every Params.Heartbeat, unless bytes wait to be written anyway;
// nil is nothing. It runs on the connection's loop and must not block.
type HeartbeatHandler interface{ Heartbeat() *Message }

// A GoneHandler is a Handler that is notified when the peer has reset or closed the connection
// while it is paused, so that its end cannot be read. What was received before is still read
// after Resume, and then Closed is called. Gone may be called more than once, or not at all where
// loops have no sockets. It runs on the connection's loop and must not block.
type GoneHandler interface{ Gone() }

// A SettleHandler is a Handler whose replies may come from goroutines. Settle is called on the loop
// when the peer has ended its half of the stream without a close frame. If it returns true, the
// connection stays until settled is called, from any goroutine, and all that was sent before it
// is still written. It must not block.
type SettleHandler interface{ Settle(settled func()) bool }

// Open takes over nc after its handshake; buffered has bytes that were read and not yet
// used. build makes the handler from the connection's handle, which may be used once Open
// has returned. The handler's first event comes after build has returned. The engine closes
// nc from here on, also if Open fails, which it does with net.ErrClosed after Shutdown.
func (e *Engine) Open(nc net.Conn, buffered []byte, p Params, build func(Conn) Handler) (Conn, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.draining {
		nc.Close()
		return Conn{}, fmt.Errorf("open connection: %w", net.ErrClosed)
	}
	if a, ok := nc.(acceptedConn); ok {
		return a.upgrade(buffered, p, build), nil
	}
	if int(p.Framing) >= len(framings) {
		nc.Close()
		return Conn{}, fmt.Errorf("open connection: framing %d is unknown", p.Framing)
	}
	l := e.loops[e.turn.Add(1)%uint32(len(e.loops))]
	fd, over := -1, (*transport)(nil)
	if l.sockets {
		var err error
		if fd, over, err = takeSocket(nc); err != nil {
			nc.Close()
			return Conn{}, fmt.Errorf("take over connection: %w", err)
		}
	}
	if fd >= 0 {
		nc = nil // closed by takeSocket: the socket lives on as fd
	}
	c := l.slab.allocate(l)
	l.slab.slot(c.id).form.Store(p.form())
	e.live.Add(1)
	l.inbox.post(command{do: doOpen, conn: c.id, payload: &opening{fd: fd, tls: over, nc: nc, buffered: buffered, params: p, handler: build(c)}})
	return c, nil
}

// Len is the number of connections opened and not yet closed.
func (e *Engine) Len() int { return int(e.live.Load()) }

// Arriving is the number of connections that loops have accepted and whose first request is not
// decided on.
func (e *Engine) Arriving() int { return int(e.arriving.Load()) }

// Settle returns when every loop has obeyed what was posted to it before.
func (e *Engine) Settle() {
	for _, l := range e.loops {
		done := make(chan struct{})
		if l.inbox.post(command{do: doSettle, payload: done}) {
			<-done
		}
	}
}

// Wait returns when every loop's inbox has room, or with ctx's error.
// Goroutines that publish call it before each publication; a loop must not.
func (e *Engine) Wait(ctx context.Context) error {
	for _, l := range e.loops {
		for l.inbox.full() {
			select {
			case <-l.inbox.room():
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// congested reports whether some inbox is over its bound.
func (e *Engine) congested() bool {
	for _, l := range e.loops {
		if l.inbox.full() {
			return true
		}
	}
	return false
}

// Shutdown closes every connection with the code and reason, and waits until all have ended
// or ctx ends. It then cuts the others, stops the loops, and returns ctx's error if it had
// to cut. Open fails from here on. A second call waits with the first, and cuts when its
// own ctx ends.
func (e *Engine) Shutdown(ctx context.Context, code int, reason string) error {
	e.mu.Lock()
	first := !e.draining
	e.draining = true
	e.mu.Unlock()

	if first {
		for _, l := range e.loops {
			l.inbox.post(command{do: doCloseAll, payload: &closed{code: code, reason: reason}})
		}
	}
	if e.live.Load() == 0 {
		e.signalEmpty()
	}
	var err error
	select {
	case <-e.empty:
	case <-ctx.Done():
		if e.live.Load() > 0 {
			err = context.Cause(ctx)
		}
	}
	for _, l := range e.loops {
		l.inbox.post(command{do: doStop})
	}
	e.stopClock()
	e.running.Wait()
	return err
}

// gone counts a connection that has ended. It runs on the connection's loop.
func (e *Engine) gone() {
	if e.live.Add(-1) > 0 {
		return
	}
	e.mu.RLock()
	draining := e.draining
	e.mu.RUnlock()
	if draining {
		e.signalEmpty()
	}
}

// rulesFor is the rules for the frames of a connection; four of them serve all connections
// of a loop.
func (o Options) rulesFor(client, deflate bool) frame.Rules {
	limit := o.MaxMessageBytes
	if limit < 0 {
		limit = math.MaxInt64
	}
	return frame.Rules{Client: client, Deflate: deflate, MaxMessageBytes: limit}
}
