package socketio

// Target is a set of sockets of a namespace, by rooms. It is a value: its methods that return a Target
// return another one. A socket in several of the rooms is in it once.
type Target struct {
	namespace       *Namespace
	to, except      []string
	without         string // the id of a socket
	volatile, local bool
}

// To adds the sockets of more rooms. Without any, all sockets of the namespace are meant. The id
// of a socket is a room with that socket, and others that join it.
func (t Target) To(rooms ...string) Target {
	t.to = append(t.to[:len(t.to):len(t.to)], rooms...)
	return t
}

// Except leaves out the sockets of rooms.
func (t Target) Except(rooms ...string) Target {
	t.except = append(t.except[:len(t.except):len(t.except)], rooms...)
	return t
}

// Volatile leaves out, of each event, the sockets whose clients do not take it at once: something
// still waits for them, or they poll and have no poll open.
func (t Target) Volatile() Target {
	t.volatile = true
	return t
}

// Local leaves out the sockets of other nodes.
func (t Target) Local() Target {
	t.local = true
	return t
}

// Emit emits an event to the sockets. It is encoded once, and one publication carries it, which no
// history keeps. Emit returns when the broker has it: events that follow each other keep their order.
// Errors: that of an argument that cannot be encoded; the broker's, for example
// maru.CodeUnavailable and CodeShuttingDown.
func (t Target) Emit(event string, args ...any) error {
	e, err := t.namespace.event(event, args)
	if err != nil {
		return err
	}
	t.outgoing(event, args)
	e.volatile, e.without = t.volatile, t.without
	channel, whole := t.channel()
	if !whole {
		e.to, e.except = t.to, t.except
	}
	return t.namespace.publish(channel, &e, t.local)
}

// Send emits the event "message" to the sockets.
func (t Target) Send(args ...any) error { return t.Emit("message", args...) }

// channel returns the channel that has just these sockets, beside without; or, if there is none, that
// of what each node looks up.
func (t Target) channel() (name string, whole bool) {
	c := &t.namespace.channels
	switch {
	case t.volatile, t.namespace.recovery != nil, len(t.except) > 0, len(t.to) > 1:
		return t.namespace.looked(), false
	case len(t.to) == 0:
		return c.all, true
	case mayBeID(t.to[0]):
		return t.namespace.looked(), false
	}
	return c.room(t.to[0]), true
}

// Sockets returns the sockets of this node that are meant now.
func (t Target) Sockets() []*Socket { return t.namespace.find(t.to, t.except, t.without) }

// Join adds the sockets to rooms. Errors: the broker's.
func (t Target) Join(rooms ...string) error { return t.do(envelope{action: doJoin, rooms: rooms}) }

// Leave takes the sockets out of rooms. Errors: the broker's.
func (t Target) Leave(rooms ...string) error { return t.do(envelope{action: doLeave, rooms: rooms}) }

// Disconnect disconnects the sockets: see Socket.Disconnect. Errors: the broker's.
func (t Target) Disconnect(closeConnection bool) error {
	return t.do(envelope{action: doDisconnect, whole: closeConnection})
}

// do lets the sockets of all nodes do something.
func (t Target) do(e envelope) error {
	e.to, e.except, e.without = t.to, t.except, t.without
	return t.namespace.publish(t.namespace.looked(), &e, t.local)
}
