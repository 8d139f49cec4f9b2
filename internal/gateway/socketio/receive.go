package socketio

import (
	"maru.example/maru"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
)

// Message takes a message of the socket, on its loop.
func (c *Conn) Message(op frame.Opcode, data []byte) {
	if !c.Conn().Open() {
		return
	}
	p, err := engineio.Decode(op == frame.Text, data)
	if err == nil {
		err = c.receive(p)
	}
	if err != nil {
		c.broken(err)
	}
}

// broken ends the connection of a client that breaks the protocol: there is nothing to say in it.
func (c *Conn) broken(err error) {
	c.gateway.forget(c)
	c.Multiplex.Close(maru.NewError(maru.CodeBadRequest, err.Error()))
}

// receive handles a packet.
func (c *Conn) receive(p engineio.Packet) error {
	c.seen.Store(since())
	switch p.Type {
	case engineio.Message:
		return c.message(p)
	case engineio.Close:
		c.leave()
		return nil
	case engineio.Pong, engineio.Upgrade, engineio.Noop:
		return nil
	}
	return errDirection
}

// leave ends the connection because the client has said so. It may come back: the client of npm closes
// its session also when a request has failed, for example by a proxy's 502.
func (c *Conn) leave() {
	c.mu.Lock()
	c.quiet = true
	polling := c.stage != onSocket
	c.mu.Unlock()
	if polling {
		c.Conn().Send(noop) // ends the poll
	}
	c.Conn().Close(maru.CloseNormal, "")
}
