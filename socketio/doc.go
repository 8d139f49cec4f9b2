// Package socketio is Socket.IO for servers in Go: events with handlers of your own types, acks in
// both directions, rooms, namespaces and middleware, for the published clients of Socket.IO 3 and
// 4. It is a part of a server of package server, on the same port as everything else there.
//
//	io := socketio.New(socketio.Options{})
//	io.OnConnection(func(s *socketio.Socket) {
//		s.Join("lobby")
//		s.On("chat message", func(text string) { io.Emit("chat message", text) })
//		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
//	})
//	srv, err := server.New(server.Options{Gateways: []server.Gateway{io.Gateway()}})
//	…
//	http.Handle("/socket.io/", srv)
//
// docs/socketio.md has the calls of npm socket.io with those of this package beside them.
//
// # Handlers
//
// A handler is a function. Its parameters are decoded from the arguments of the event, each from
// its JSON as encoding/json does: a []byte gets bytes, an Arg what the client sent. A last
// parameter of type Ack answers the client. A parameter of type Args, and a variadic one, get the
// rest. Missing arguments are zero values, and further ones are ignored. An event whose
// arguments do not fit is not handled: OnError or Options.Failed is called.
//
// An event may have several handlers. They are called in the order in which they were added. An
// argument is decoded once for all that take it as the same type, so what pointers, maps and slices
// refer to is shared between them. The first call of the Ack counts.
//
// Events of one connection are handled one after another, in a goroutine that it has only while
// there are any. A handler may wait; it then delays the events behind it, and nothing else. It may
// wait for an ack of its client; but a client that has 64 events waiting, or 1 MiB of them, is not read.
//
// # Bytes
//
// A []byte travels as bytes, as an argument or anywhere inside of one, in both directions. Values
// that encode themselves, such as a json.Marshaler, are as they do it: docs/socketio.md.
//
// # Concurrency
//
// Everything may be called from any goroutine. Lock order:
//
//	the broker's ─→ Server.mu ─→ Namespace.mu ─┬→ Socket.mu
//	                                           ├→ conn.mu ─→ that of the gateway's Conn
//	                                           └→ those of package hub ─→ directory.mu
//
// So nothing is published while one of them is held: the broker delivers to Namespace.receive, which
// locks the namespace, and the hub asks directory while it delivers.
//
// # Rooms
//
// A room is a channel of the hub, which exists while the node has members, and so is each namespace
// (channel.go). An event is one publication that no history keeps, and reaches the nodes that have
// members:
//
//	Emit to all, To(room).Emit ─→ broker ─→ the channel of all, or of the room ─→ one group of the engine
//	To(a).To(b), Except, an id ─→ broker ─→ Namespace.receive ─→ each node looks up its members
//
// # Several nodes
//
// An event that asks for acks is a publication, too, with a name. Each node keeps the acks of its
// clients under that name, and the node that has asked fetches them (package internal/calls):
//
//	EmitWithAck ─→ broker ─→ Namespace.receive on each node ─→ clients ─→ collection
//	     └─ acks of NAME? ─→ each other node: how many were asked; then the acks, as they come
//
// Sockets of other nodes are asked for, and events of ServerSideEmit sent, from node to node.
//
// # What it does not do
//
// Sockets, Pattern.Namespaces and OnAnyOutgoing know only this node.
package socketio
