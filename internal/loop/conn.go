package loop

import (
	"context"
	"errors"
	"net"

	"maru.example/maru/internal/frame"
)

// Conn is a handle on a connection: a small comparable value, good for ever and
// in any goroutine. After the connection is gone its methods do nothing, or
// answer ErrClosed. None of them blocks.
type Conn struct {
	loop *Loop
	id   connID
}

// ErrClosed is the answer of Send and Ping on a connection that is closed or
// closing; errors.Is(err, net.ErrClosed) holds.
var ErrClosed = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "connection is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// ErrFull is the answer of Send when Options.SendBytes are already posted to the
// connection and not yet written. The message was not taken; the connection is
// as it was.
var ErrFull = errors.New("too much waits to be written to this connection")

// Send posts m to be written after what was posted before. It keeps m; the
// bytes are shared and must not change.
func (c Conn) Send(m *Message) error {
	return c.post(command{do: doSend, message: m, size: m.Len()})
}

// Write is Send of a new message that is for c alone: it takes less memory.
func (c Conn) Write(op frame.Opcode, payload []byte) error {
	m := newSingle(op, payload)
	err := c.Send(m)
	if err != nil {
		m.recycle()
	}
	return err
}

// SendAll posts messages as Send does, in order and with nothing between them,
// and lifts the connection's backlog bounds by their size until they are
// written: a replay is not the reader's slowness.
func (c Conn) SendAll(ms []*Message) error {
	size := 0
	for _, m := range ms {
		size += m.Len()
	}
	return c.post(command{do: doSendAll, payload: replay(ms), size: size})
}

// Encode encodes messages as c takes them, in the calling goroutine. It may be
// left out; but to compress much is to hold up a loop's other connections.
func (c Conn) Encode(ms []*Message) {
	if c.loop == nil {
		return
	}
	f := form(c.loop.slab.slot(c.id).form.Load())
	if f&takesOver != 0 {
		return // what comes first in its queue is known to its loop only
	}
	for _, m := range ms {
		m.frame(f, c.loop.engine.options.DeflateMinBytes)
	}
}

// Drain waits until nothing of what was posted before waits to be written, or
// until ctx ends; its errors are ctx's and ErrClosed. It is for senders of much,
// which they send in pieces.
func (c Conn) Drain(ctx context.Context) error {
	if c.loop == nil {
		return ErrClosed
	}
	drained := make(chan struct{})
	if !c.loop.inbox.post(command{do: doDrain, conn: c.id, payload: drained}) {
		return ErrClosed
	}
	select {
	case <-drained:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !c.Open() {
		return ErrClosed
	}
	return nil
}

// Ping posts a ping with a payload of at most 125 bytes; what is longer is cut.
func (c Conn) Ping(payload []byte) error {
	payload = payload[:min(len(payload), 125)]
	return c.Send(NewMessage(frame.Ping, payload))
}

func (c Conn) post(cmd command) error {
	if c.loop == nil {
		return ErrClosed
	}
	s := c.loop.slab.slot(c.id)
	if !s.isOpen(c.id) {
		return ErrClosed
	}
	if s.buffered.Load() > c.loop.engine.options.SendBytes {
		return ErrFull
	}
	cmd.conn = c.id
	s.buffered.Add(int64(cmd.size))
	if !c.loop.inbox.post(cmd) {
		s.buffered.Add(-int64(cmd.size))
		return ErrClosed
	}
	return nil
}

// Close starts the closing handshake (RFC 6455 §7.1.2) after what was posted
// before; Send answers ErrClosed from now on. The connection is cut if the peer
// has not answered within Options.CloseTimeout. Code 1005 sends no code. A code
// that may not be sent or a reason over 123 bytes is an error, and nothing is
// done. Closing twice is closing once.
func (c Conn) Close(code int, reason string) error {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		return err
	}
	if c.loop == nil || !c.loop.slab.slot(c.id).setClosing(c.id) {
		return nil
	}
	c.loop.inbox.post(command{do: doClose, conn: c.id, payload: &closing{closed{code: code, reason: reason}, payload}})
	return nil
}

// Terminate cuts the connection without a closing handshake: the handler sees
// 1006. What waits to be written is lost.
func (c Conn) Terminate() { c.tell(doTerminate) }

// Start lets a connection write that was opened held.
func (c Conn) Start() { c.tell(doStart) }

// Pause stops the reading of the socket; TCP then slows the peer. Messages
// already read are still delivered.
func (c Conn) Pause() { c.tell(doPause) }

// Resume reads on.
func (c Conn) Resume() { c.tell(doResume) }

func (c Conn) tell(do action) {
	if c.loop != nil {
		c.loop.inbox.post(command{do: do, conn: c.id})
	}
}

// Buffered is the number of bytes posted and not yet written to the socket.
func (c Conn) Buffered() int64 {
	if c.loop == nil {
		return 0
	}
	s := c.loop.slab.slot(c.id)
	n := s.buffered.Load()
	if !s.alive(c.id) { // what was counted was another's
		return 0
	}
	return max(0, n)
}

// Open reports whether Send would take a message: the connection is neither
// closed nor closing.
func (c Conn) Open() bool { return c.loop != nil && c.loop.slab.slot(c.id).isOpen(c.id) }
