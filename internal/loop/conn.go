package loop

import (
	"context"
	"errors"
	"net"

	"maru.example/maru/internal/frame"
)

// Conn is a handle on a connection: a small comparable value, valid for ever and in any
// goroutine. After the connection has ended its methods do nothing, or return ErrClosed.
// None of them blocks.
type Conn struct {
	loop *Loop
	id   connID
}

// ErrClosed is the error of Send and Ping on a connection that is closed or closing.
// errors.Is(ErrClosed, net.ErrClosed) is true.
var ErrClosed = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "connection is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// ErrFull is the error of Send when Options.SendBytes are already posted to the connection
// and not yet written. The message is not sent, and the connection stays open.
var ErrFull = errors.New("too much waits to be written to this connection")

// Send posts m to be written after all that was posted before. It keeps m; the bytes are
// shared and must not change.
func (c Conn) Send(m *Message) error {
	return c.post(command{do: doSend, message: m, size: m.Len()})
}

// Write is Send of a new message for c alone: it takes less memory.
func (c Conn) Write(op frame.Opcode, payload []byte) error {
	m := newSingle(op, payload)
	err := c.Send(m)
	if err != nil {
		m.recycle()
	}
	return err
}

// SendAll posts messages as Send does, in order and with nothing between them. It raises
// the connection's backlog limits by their size until they are written, so that a long
// replay does not close the connection as slow.
func (c Conn) SendAll(ms []*Message) error {
	size := 0
	for _, m := range ms {
		size += m.Len()
	}
	return c.post(command{do: doSendAll, payload: replay(ms), size: size})
}

// Encode encodes messages in the form that c negotiated, in the calling goroutine. It is
// optional: without it the loop compresses them, which delays its other connections.
func (c Conn) Encode(ms []*Message) {
	if c.loop == nil {
		return
	}
	f := form(c.loop.slab.slot(c.id).form.Load())
	if f&takesOver != 0 {
		return // only its loop knows the messages before these
	}
	for _, m := range ms {
		m.frame(f, c.loop.engine.options.DeflateMinBytes)
	}
}

// Drain waits until all that was posted before is written, or until ctx ends. Its errors
// are ctx's and ErrClosed. It is for senders that send a lot of data in pieces.
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

// Ping posts a ping with a payload of at most 125 bytes; a longer payload is cut.
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

// Close starts the closing handshake (RFC 6455 §7.1.2) after all that was posted before.
// From now on Send returns ErrClosed. The connection is cut if the peer has not answered
// within Options.CloseTimeout. Code 1005 sends no code. A code that may not be sent or a
// reason over 123 bytes is an error, and nothing is done. A second call has no effect.
func (c Conn) Close(code int, reason string) error { return c.CloseFor(code, reason, nil, nil) }

// CloseFor is Close for a cause that only an EndHandler receives, after a last message; nil: there is
// none.
func (c Conn) CloseFor(code int, reason string, cause error, last *Message) error {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		return err
	}
	if c.loop == nil || !c.loop.slab.slot(c.id).setClosing(c.id) {
		return nil
	}
	c.loop.inbox.post(command{do: doClose, conn: c.id, payload: &closing{closed{code: code, reason: reason, err: cause}, payload, last}})
	return nil
}

// Terminate cuts the connection without a closing handshake: the handler receives 1006.
// Unwritten bytes are lost.
func (c Conn) Terminate() { c.tell(doTerminate) }

// Start begins the writing on a connection that was opened with Params.Held.
func (c Conn) Start() { c.tell(doStart) }

// Pause stops the reading of the socket; TCP then slows the peer. Messages
// already read are still delivered.
func (c Conn) Pause() { c.tell(doPause) }

// Resume continues the reading.
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
	if !s.alive(c.id) { // the count was another connection's
		return 0
	}
	return max(0, n)
}

// Open reports whether the connection is neither closed nor closing.
func (c Conn) Open() bool { return c.loop != nil && c.loop.slab.slot(c.id).isOpen(c.id) }
