package client

import (
	"maps"
	"slices"
	"time"
)

// connection is one WebSocket, from its handshake to its end.
type connection struct {
	link *link
	over chan ending   // receives the ending once it is known
	gone chan struct{} // closed after the last callback of the WebSocket

	// Guarded by Client.mu.
	wire          wire // nil before and after it is open
	asked         map[uint64]func(*message, error)
	inFlight      map[uint64]*call
	inFlightBytes int
	messages      int       // received
	received      time.Time // the last one of them
	maxMessage    int64     // 0: unknown
	fault         error     // why the server closed the connection because of one call in flight; which one is unknown
}

func newConnection(l *link) *connection {
	return &connection{
		link: l, over: make(chan ending, 1), gone: make(chan struct{}),
		asked: make(map[uint64]func(*message, error)), inFlight: make(map[uint64]*call), received: time.Now(),
	}
}

// fail ends the use of the connection. Only the first call counts.
func (conn *connection) fail(e ending) {
	select {
	case conn.over <- e:
	default:
	}
}

// closed is the last callback of the WebSocket.
func (conn *connection) closed(e ending) {
	conn.fail(e)
	close(conn.gone)
}

// receive processes one message of the server.
func (conn *connection) receive(data []byte) {
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
	conn.received = time.Now()
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

// answered processes a reply. c.mu is held.
func (conn *connection) answered(m *message) {
	done := conn.asked[m.ID]
	delete(conn.asked, m.ID)
	switch {
	case done != nil && m.Error != nil:
		done(m, m.Error)
	case done != nil:
		done(m, nil)
	case m.Error != nil: // for a command whose reply is not awaited
		conn.link.c.warn("the server refused a command of the client", m.Error)
	}
}

// ask sends a command now; it ends with the connection. done, if not nil, is called once,
// before any message after the reply is processed. c.mu is held, also when done is called.
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
	// It fails if the connection is closed, or if so much waits that it counts as lost.
	if err := conn.wire.Send(text); err != nil {
		conn.fail(ending{code: closeLost, err: err})
	}
}

// abandon gives ErrDisconnected to all commands that wait for a reply. c.mu is held.
func (conn *connection) abandon() {
	conn.wire = nil
	for _, id := range slices.Sorted(maps.Keys(conn.asked)) {
		conn.asked[id](nil, ErrDisconnected)
	}
	clear(conn.asked)
}
