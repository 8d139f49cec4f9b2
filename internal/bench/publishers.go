package bench

import (
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// speaker publishes on a connection of its own. The server may send its messages back, and
// then they are checked like those of a subscriber.
type speaker struct {
	*fanout
	conn loop.Conn
	sequence
}

func (p *speaker) connect() error {
	return p.openOne(p.ctx, p.Connections, func(_ int, conn loop.Conn) loop.Handler {
		p.conn = conn
		return p
	})
}

func (p *speaker) publish(n int64) bool {
	return p.conn.Send(loop.NewMessage(frame.Text, p.codec.wrap(nil, 0, n))) == nil
}

func (p *speaker) close() {}

func (p *speaker) Message(_ frame.Opcode, message []byte) {
	p.check(p.run, p.Connections, message, func(int64) { p.own.Add(1) })
}

func (p *speaker) Closed(code int, reason string, err error) {
	p.ended(p.Connections, code, reason, err)
}

// members publishes on the first connection of each group.
type members struct {
	*fanout
	first []loop.Conn
}

func (*members) connect() error { return nil }

func (p *members) publish(n int64) bool {
	return p.first[n%int64(len(p.first))].Send(loop.NewMessage(frame.Text, p.codec.wrap(nil, 0, n))) == nil
}

func (*members) close() {}
