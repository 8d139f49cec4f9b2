package socketio

import (
	"errors"

	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

var (
	ping = loop.NewMessage(frame.Text, []byte{byte(engineio.Ping)})
	noop = loop.NewMessage(frame.Text, []byte{byte(engineio.Noop)})
)

// Heartbeat implements loop.HeartbeatHandler. A client that did not answer the last ping is gone:
// Engine.IO, Heartbeat.
func (c *Conn) Heartbeat() *loop.Message {
	if c.expired() {
		c.endSilent()
		return nil
	}
	return ping
}

// expired reports whether the time for a pong is over.
func (c *Conn) expired() bool {
	o := &c.gateway.options
	return since()-c.seen.Load() >= int64(o.PingInterval+o.PingTimeout)
}

func (c *Conn) endSilent() {
	c.mu.Lock()
	c.silent = true
	c.mu.Unlock()
	c.Conn().Terminate()
}

// Silent reports whether the connection was ended because no pong came.
func (c *Conn) Silent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

var errNoPong = errors.New("no pong after a ping")
