package ws

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
)

// Past these bounds a connection's queue of messages for its callbacks stops the
// reading of its socket.
const (
	maxQueuedMessages = 256
	maxQueuedBytes    = 1 << 20
)

// events is what connections of one origin, a server or a dial, have in common.
type events struct {
	onMessage func(*Conn, Message)
	onClose   func(*Conn, int, string)
	onError   func(*Conn, error)
	onPong    func(*Conn, []byte)
	gone      func(*Conn) // before OnClose
	inline    bool
	log       *slog.Logger
	running   sync.WaitGroup // goroutines of callbacks
}

type what uint8

const (
	message what = iota
	pong
	ended // the peer's half of the stream
	closing
)

type event struct {
	what    what
	message Message
	code    int
	reason  string
	err     error
	settled func() // of ended
}

// queue holds the events of one connection while a goroutine runs its callbacks.
type queue struct {
	events []event
	bytes  int
	paused bool
}

// tell queues an event for the callbacks, on the loop, and returns at once, unless Inline.
// Pause and Resume are posted under the lock, so that they arrive in their order.
func (c *Conn) tell(e event) {
	c.mu.Lock()
	q := c.queue
	if q == nil {
		if c.events.inline {
			c.mu.Unlock()
			c.run(&e)
			return
		}
		q = new(queue)
		c.queue = q
		c.events.running.Go(c.drain)
	}
	e.message.Data = slices.Clone(e.message.Data) // it is in the loop's buffer
	q.events = append(q.events, e)
	q.bytes += len(e.message.Data)
	if !q.paused && (len(q.events) > maxQueuedMessages || q.bytes > maxQueuedBytes) {
		q.paused = true
		c.wire.Pause()
	}
	c.mu.Unlock()
}

// settle queues settled behind the callbacks that run or wait, if there are any.
func (c *Conn) settle(settled func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		return false
	}
	c.queue.events = append(c.queue.events, event{what: ended, settled: settled})
	return true
}

// hold keeps events back from now on, as if a callback were running: until
// release.
func (c *Conn) hold() { c.queue = new(queue) }

// release delivers the events that hold kept back.
func (c *Conn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue.events) == 0 {
		c.queue = nil
		return
	}
	c.events.running.Go(c.drain)
}

// drain runs callbacks until nothing waits.
func (c *Conn) drain() {
	for {
		c.mu.Lock()
		q := c.queue
		waiting := q.events
		if len(waiting) == 0 {
			c.queue = nil
			if q.paused {
				c.wire.Resume()
			}
			c.mu.Unlock()
			return
		}
		q.events, q.bytes = nil, 0
		c.mu.Unlock()
		for i := range waiting {
			c.run(&waiting[i])
			waiting[i] = event{}
		}
	}
}

// run is one callback.
func (c *Conn) run(e *event) {
	defer c.recovered()
	ev := c.events
	switch e.what {
	case message:
		if ev.onMessage != nil {
			ev.onMessage(c, e.message)
		}
	case pong:
		ev.onPong(c, e.message.Data)
	case ended:
		e.settled()
	case closing:
		if ev.onClose != nil {
			defer func() {
				defer c.recovered()
				ev.onClose(c, e.code, e.reason)
			}() // also if OnError panics
		}
		if e.err != nil && ev.onError != nil {
			ev.onError(c, e.err)
		}
	}
}

// recovered must be deferred itself, for recover to work.
func (c *Conn) recovered() {
	if p := recover(); p != nil {
		c.events.log.Error("ws: callback panicked", slog.String("remote", c.remote.String()), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		c.Close(1011, "internal error")
	}
}
