// Package loop holds many WebSocket connections and streams on a few goroutines.
//
// One loop per GOMAXPROCS waits for its own set of sockets. A connection is
// handed over after its handshake and belongs to one loop for life:
//
//	socket readable ─→ read into the loop's buffer ─→ frame.Reader ─→ Handler.Message
//	                                                                      │
//	Conn.Send, Group.Append, Conn.Close … from any goroutine ─→ inbox ←───┘
//	                                                              │ in order
//	                     groups: one log of messages per batch ←──┴──→ one queue per connection
//	                                   │                                    │
//	                                   └──→ end of the batch: one write ←───┘
//	                                              per connection
//
// Where many can be read, up to sixteen are read with one call, and answered with one
// (batch_read_linux.go).
//
// # Who owns what
//
// Only the owning loop touches a connection's state. Everybody else holds a
// Conn, a small value of loop, slot and generation, and posts commands to the
// loop's inbox; a command for a connection that is gone is dropped. There is no
// lock and no goroutine per connection, and no buffer while it is idle. What
// fan-out walks is pointer-free and lives in chunks that never move (slab.go);
// what needs pointers (handler, partial message, backlog) lives beside it.
//
// # Writing
//
// A message is encoded once for each form that its receivers negotiated and the
// bytes are shared. A batch is what the loop found in its inbox in one turn.
// Members of a group that stand at the same place in it, which are nearly all,
// get the batch as one joined block of bytes, written as it is to each; those
// with something of their own to write (a reply, an unwritten rest, another
// group) have it put into their own queue first, so that one connection gets
// one write in its right order. No queue exists until then or until the socket
// says EAGAIN; what it holds after that is bounded in bytes, messages and age,
// and past the bound the connection is closed with 1013. A flush polls the sockets
// every 256 writes, so that a large fan-out does not hold up reading. Pings to
// connections that were opened together are spread over turns likewise (clock.go).
//
// Each step of the way of a message has one verb:
//
//	post     leave a command in the loop's inbox (Conn.Send, Group.Append)
//	append   add a message to a group's log of this batch
//	queue    put bytes into the connection's own outbox; conflate: into its lane
//	list     note a connection, or its next bytes, for the next flush or ring call
//	flush    go through all that is listed
//	write    offer bytes to the socket; written says how many it took
//	release  take written bytes off the outbox
//	drained  nothing is left in it
//
// # Waiting
//
// Inboxes are bounded in bytes. A goroutine that publishes waits for room
// (Engine.Wait) before it publishes. A loop never waits for a loop: while any
// inbox is over its bound it does not read its sockets.
//
// # Two transports
//
// Linux, TCP: the socket is taken out of the net package and watched by the
// loop's epoll set; under TLS, out of the crypto/tls connection, which the loop
// then drives (NewTLSTransport, tls.go). Everywhere else, and for what is no
// socket: a goroutine reads from the net.Conn and hands what it read to the loop,
// and another writes while there is something to write (pipe.go). All else is the
// same code.
//
// # Framing
//
// A connection need not be a WebSocket: Params.Framing says how bytes become messages. On
// one of FrameBare only we write, such as server-sent events. All but frames, pings and the
// closing handshake is the same (framing.go). Which states a connection can have is in
// state.go.
//
// The package knows no channels and no HTTP. Locks: slab.mu, inbox.mu and the
// poller's are leaves, never held together.
package loop
