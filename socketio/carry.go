package socketio

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// wait waits until the loops have room for one more event: the program is not faster than they are.
func (n *Namespace) wait() { n.server.env.Engine.Wait(context.Background()) }

// keeps reports whether an envelope has a place in the history of the events.
func (n *Namespace) keeps(e *envelope) bool {
	return n.shared() && !e.volatile && (e.action == doEmit || e.action == doOne)
}

// shared reports whether sockets may come back on other nodes.
func (n *Namespace) shared() bool { return n.recovery != nil && n.server.elsewhere != nil }

// looked is the channel of what each node looks up.
func (n *Namespace) looked() string {
	if n.shared() {
		return n.channels.kept
	}
	return n.channels.some
}

var errNotMounted = errors.New("socketio: the Server belongs to no server yet: pass its Gateway to server.New first")

// publish carries an envelope to the nodes that have members of a channel, this one too, and returns
// when the broker has it. n.mu is not held: the broker delivers meanwhile.
func (n *Namespace) publish(channel string, e *envelope, local bool) error {
	env := n.server.env
	if env == nil {
		return errNotMounted
	}
	n.wait()
	p := &maru.Publication{Kind: maru.Binary, Data: e.append(make([]byte, 0, e.size()))}
	if local {
		env.Hub.Deliver(channel, maru.Position{}, p)
		return nil
	}
	done := make(chan error, 1)
	env.Submit(channel, p, maru.PublishOptions{Transient: !n.keeps(e)}, func(_ maru.Published, err error) { done <- err })
	return <-done
}

// event is the envelope of an event.
func (n *Namespace) event(event string, args []any) (envelope, error) {
	data, binary, err := encodeEvent(event, args)
	if err != nil {
		return envelope{}, err
	}
	p, attachments := complete(packet.Packet{Type: packet.Event, Namespace: n.name, ID: packet.NoID, Data: data}, binary)
	return envelope{action: doEmit, text: gw.AppendText(make([]byte, 0, gw.TextSize(p)), p), attachments: attachments}, nil
}

func (e *envelope) message() *loop.Message { return gw.NewMessage(e.text, e.attachments, "") }

// form is how the events in the channels of the package look to all their sockets.
func (s *Server) form() hub.Form {
	return hub.Form{
		Name: "socketio-program",
		Publication: func(_, _ string, p *maru.Publication) *loop.Message {
			e, err := decodeEnvelope(p.Data)
			if err != nil || e.action != doEmit {
				return nil
			}
			return e.message()
		},
		Except: func(p *maru.Publication) loop.Conn {
			if without, _, ok := decodeHead(new(envelope), p.Data); ok && len(without) > 0 {
				return s.ids.conn(without)
			}
			return loop.Conn{}
		},
	}
}

// receive handles what is for sockets that each node looks up. It is called while the broker holds
// the lock that orders the channel: events keep their order, also with those of a single room.
func (n *Namespace) receive(d hub.Delivery) {
	e, err := decodeEnvelope(d.Publication.Data)
	if err != nil {
		n.server.options.Logger.Error("publication was not handled", slog.String("namespace", n.name), slog.Any("err", err))
		return
	}
	switch e.action {
	case doEmit:
		n.send(&e, d.At)
		return
	case doOne:
		n.sendOne(&e, d.At)
		return
	case doAsk:
		n.askedFor(&e)
		return
	}
	for _, s := range n.find(e.to, e.except, e.without) {
		switch e.action {
		case doJoin:
			s.join(e.rooms)
		case doLeave:
			s.leaveRooms(e.rooms)
		case doDisconnect:
			s.Disconnect(e.whole)
		}
	}
}

// askedFor emits an event that asks for acks, which are kept for the node that has asked.
func (n *Namespace) askedFor(e *envelope) {
	nodes := n.server.nodes
	if nodes == nil || len(e.rooms) != 1 {
		return
	}
	q := n.questionOf(e.text, e.attachments)
	n.mu.Lock()
	c, sockets := n.collect(Target{to: e.to, except: e.except, without: e.without, volatile: e.volatile}, q)
	n.mu.Unlock()
	nodes.keep(e.rooms[0], c, sockets, q.id)
}

// send sends an event to the sockets of this node that it is for, once to each.
func (n *Namespace) send(e *envelope, at maru.Position) {
	n.mu.Lock() // until all are sent: a socket that has left a room gets nothing more
	defer n.mu.Unlock()
	stamped := n.stamp(*e, "", !e.volatile, at)
	m := stamped.message()
	m.Stamp()
	if n.sendGroup(e, m) {
		return
	}
	for s := range n.members(e.to, e.except, e.without) {
		if !e.volatile || s.conn.Writable() {
			s.conn.Deliver(m)
		}
	}
}

// sendOne sends an event to a socket, if it is on this node.
func (n *Namespace) sendOne(e *envelope, at maru.Position) {
	if len(e.to) != 1 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	stamped := n.stamp(*e, e.to[0], true, at)
	if s := n.server.ids.find(e.to[0]); s != nil && s.namespace == n {
		s.conn.Deliver(stamped.message())
	}
}

// stamp adds the offset to an event, which is at a position of its history; zero: it is in none. n.mu is
// held.
func (n *Namespace) stamp(e envelope, only string, keep bool, at maru.Position) envelope {
	r := n.recovery
	if !n.shared() {
		return r.stamp(e, only, keep)
	}
	if at.Offset > 0 {
		r.begin(at)
	}
	e.text = appendOffset(e.text, r.epoch, r.last)
	if at.Offset > 0 {
		r.collect(kept{e, at.Offset, only, time.Now()})
	}
	return e
}

// sendGroup sends to a single room that has a group, and reports whether it is one.
func (n *Namespace) sendGroup(e *envelope, m *loop.Message) bool {
	if e.volatile || len(e.to) != 1 || len(e.except) > 0 {
		return false
	}
	r := n.rooms[e.to[0]]
	if r == nil || r.group == nil {
		return false
	}
	r.group.AppendExcept(m, n.server.ids.conn([]byte(e.without)))
	if s := n.owner(e.to[0]); s != nil && s.id != e.without {
		s.conn.Deliver(m)
	}
	return true
}
