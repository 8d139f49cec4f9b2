package ws

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Conn is one WebSocket connection, of a server's client or dialled. Its
// methods are safe for concurrent use and never block.
type Conn struct {
	// The fields that every message needs, in one line of the processor's caches.
	wire   loop.Conn
	events *events
	mu     sync.Mutex
	queue  *queue // under mu; nil while no callback runs or waits

	value       any // under mu
	subprotocol string
	remote      netip.AddrPort
	left        bool // under Server.mu
}

// ErrClosed is returned for a connection that is closed or closing.
// errors.Is(err, net.ErrClosed) holds.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "ws: connection is closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// ErrFull is returned by the Send methods when 16 MiB are already waiting to be written.
// The message is not sent, and the connection stays open.
var ErrFull = errors.New("ws: too much waits to be written")

// Send posts a message, to be written after all earlier ones. The data is copied: the
// caller keeps it. A nil error means that the message is queued, not that the peer has it.
// The errors are ErrClosed and ErrFull.
//
// A slow connection is closed with 1013 once its backlog exceeds a limit of the server.
func (c *Conn) Send(m Message) error {
	return c.told(c.wire.Write(m.op(), m.Data))
}

// SendText sends a text message, which must be valid UTF-8. See Send.
func (c *Conn) SendText(s string) error { return c.Send(Text(s)) }

// SendBinary sends a binary message. See Send.
func (c *Conn) SendBinary(b []byte) error { return c.Send(Binary(b)) }

// SendJSON sends v's JSON as a text message. See Send.
func (c *Conn) SendJSON(v any) error {
	m, err := JSON(v)
	if err != nil {
		return err
	}
	return c.Send(m)
}

// Ping sends a ping of at most 125 bytes; OnPong receives the answer. The server pings
// silent peers by itself.
func (c *Conn) Ping(data []byte) error {
	if len(data) > 125 {
		return errors.New("ws: a ping has at most 125 bytes (RFC 6455 §5.5)")
	}
	return c.told(c.wire.Ping(data))
}

func (c *Conn) told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, net.ErrClosed):
		return ErrClosed
	case errors.Is(err, loop.ErrFull):
		return ErrFull
	}
	return err
}

// Close closes with a code and reason after all earlier messages (RFC 6455 §7.1.2). Code 0
// sends none. A code that may not be sent, such as 1006, is an error, and so is a reason
// that is not UTF-8 or has more than 123 bytes. OnClose runs when the peer has answered, or
// after CloseTimeout. Closing a connection that is closed or closing does nothing.
func (c *Conn) Close(code int, reason string) error { return c.wire.Close(code, reason) }

// Terminate cuts the connection at once, without a closing handshake. Unwritten messages
// are lost. OnClose receives 1006.
func (c *Conn) Terminate() { c.wire.Terminate() }

// BufferedAmount is the number of bytes sent and not yet written to the socket,
// frames' headers included.
func (c *Conn) BufferedAmount() int64 { return c.wire.Buffered() }

// Subprotocol is the subprotocol of the handshake, "" if none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// RemoteAddr is the peer's address as the socket has it; behind a proxy that is
// the proxy's. It is the zero AddrPort for a transport without addresses.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// SetValue keeps a value of the program's with the connection.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = v
}

// Value is the value that SetValue stored last.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// Message, Pong, Settle and Closed make Conn's events the engine's handler.
type handler struct{ *Conn }

func (h handler) Message(op frame.Opcode, data []byte) {
	h.tell(event{what: message, message: Message{typeOf(op), data}})
}

func (h handler) Pong(data []byte) {
	if h.events.onPong != nil {
		h.tell(event{what: pong, message: Message{BinaryMessage, data}})
	}
}

func (h handler) Settle(settled func()) bool { return h.settle(settled) }

func (h handler) Closed(code int, reason string, err error) {
	h.events.gone(h.Conn)
	h.tell(event{what: closing, code: code, reason: reason, err: err})
}

func addrOf(nc net.Conn) netip.AddrPort {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
