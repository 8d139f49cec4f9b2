package client

import (
	"maps"
	"slices"
	"time"
)

// connection is one WebSocket, from its handshake to its end.
type connection struct {
	link *link
	over chan ending   // has the end once it is known
	gone chan struct{} // closed when the WebSocket has told its last

	// Guarded by Client.mu.
	wire        wire // nil: not yet, or no more
	asked       map[uint64]func(*message, error)
	flying      map[uint64]*call
	flyingBytes int
	messages    int       // how many came
	heard       time.Time // when the last one came
	maxMessage  int64     // 0: unknown
	fault       error     // what one of those in flight was closed for; which one is not known
}

func newConnection(l *link) *connection {
	return &connection{
		link: l, over: make(chan ending, 1), gone: make(chan struct{}),
		asked: make(map[uint64]func(*message, error)), flying: make(map[uint64]*call), heard: time.Now(),
	}
}

// fail says that the connection is of no more use. Only the first word counts.
func (conn *connection) fail(e ending) {
	select {
	case conn.over <- e:
	default:
	}
}

// closed is the last that the WebSocket tells.
func (conn *connection) closed(e ending) {
	conn.fail(e)
	close(conn.gone)
}

// take takes one message of the server.
func (conn *connection) take(data []byte) {
	m, err := parse(data)
	if err != nil {
		conn.fail(ending{code: closeLost, err: err})
		return
	}
	c := conn.link.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.link.conn != conn {
		return
	}
	conn.heard = time.Now()
	conn.messages++
	switch {
	case m.Channel != nil && m.ID == 0:
		if s := conn.link.subs[*m.Channel]; s != nil {
			s.pushed(m)
		}
	case m.Reconnect != nil:
		after := milliseconds(m.Reconnect.After, farthest)
		conn.link.comeBackAfter = &after
	default:
		conn.answered(m)
	}
}

// answered takes a reply. c.mu is held.
func (conn *connection) answered(m *message) {
	done := conn.asked[m.ID]
	delete(conn.asked, m.ID)
	switch {
	case done != nil && m.Error != nil:
		done(m, m.Error)
	case done != nil:
		done(m, nil)
	case m.Error != nil: // about a command of which nobody wants to know
		conn.link.c.warn("the server has refused a command", m.Error)
	}
}

// ask sends a command now and forgets it with the connection. done, if not nil, is
// called once, before anything that comes after the reply is looked at. c.mu is held, also
// when done is called.
func (conn *connection) ask(name string, body any, done func(*message, error)) {
	id := conn.link.c.ids.Add(1)
	text, err := encode(id, name, body)
	if done == nil {
		done = func(*message, error) {}
	}
	if err != nil {
		done(nil, err)
		return
	}
	conn.send(id, text, done)
}

// send is ask for a command that is encoded already.
func (conn *connection) send(id uint64, text []byte, done func(*message, error)) {
	if conn.wire == nil {
		done(nil, ErrDisconnected)
		return
	}
	conn.asked[id] = done
	// If it fails the connection is closed, or so much waits that it is as good as that.
	if err := conn.wire.Send(text); err != nil {
		conn.fail(ending{code: closeLost, err: err})
	}
}

// abandon ends the talk: what waits for a reply gets ErrDisconnected. c.mu is held.
func (conn *connection) abandon() {
	conn.wire = nil
	for _, id := range slices.Sorted(maps.Keys(conn.asked)) {
		conn.asked[id](nil, ErrDisconnected)
	}
	clear(conn.asked)
}
