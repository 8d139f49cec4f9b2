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
// When many connections can be read, one call reads up to sixteen, and one call writes
// their replies (batch_read_linux.go).
//
// # Who owns what
//
// Only the owning loop touches a connection's state. All other code holds a Conn, a small
// value of loop, slot and generation, and posts commands to the loop's inbox. A command for
// a connection that has ended is dropped. There is no lock and no goroutine per connection,
// and no buffer while it is idle. The memory that fan-out walks has no pointers and stays
// in chunks that never move (slab.go). Fields with pointers (handler, partial message,
// backlog) are beside it.
//
// # Writing
//
// A message is encoded once for each form that its receivers negotiated and the bytes are
// shared. A batch is all that the loop found in its inbox in one turn. Nearly all members
// of a group are to get the same messages of it. These get one joined block of bytes,
// written as it is to each. Others have bytes of their own to write: a reply, an unwritten
// rest, another group. For these the messages go into their own queue first, so that each
// connection gets one write, in the right order. A queue exists only then, or after EAGAIN.
// It is bounded in bytes, messages and age, and past a bound the connection is closed with
// 1013. A flush polls the sockets every 256 writes, so that a large fan-out does not delay
// reading. Pings to connections that were opened together are spread over turns likewise
// (clock.go).
//
// Each step in the path of a message has one verb:
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
// Linux, TCP: the socket is taken out of the net package and watched by the loop's epoll
// set. Under TLS it is taken out of the crypto/tls connection, which the loop then drives
// (NewTLSTransport, tls.go). On other systems, and for a net.Conn that is no socket, a
// goroutine reads and passes the bytes to the loop. Another one writes while the queue is
// not empty (pipe.go). All else is the same code.
//
// A connection may begin without a socket: parked.go.
//
// # Framing
//
// A connection need not be a WebSocket: Params.Framing says how bytes become messages. With
// FrameBare only our side writes, as with server-sent events. All but frames, pings and the
// closing handshake is the same (framing.go). state.go has the states of a connection.
//
// The package knows no channels and no HTTP. Locks: slab.mu, inbox.mu and the
// poller's are leaves, never held together.
package loop
