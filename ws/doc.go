// Package ws is WebSocket for Go, a server and a client, with the events that a
// browser's WebSocket has: connection, message, error, close.
//
//	server := ws.Server{Addr: "localhost:3000"}
//	server.OnMessage = func(c *ws.Conn, m ws.Message) {
//		server.Broadcast(m) // to every client, the sender included
//	}
//	log.Fatal(server.ListenAndServe())
//
// It follows RFC 6455 strictly and RFC 7692 (permessage-deflate), with context takeover
// only where an option allows it. An idle connection has no goroutine on Linux, and over
// plain TCP no buffer. On other systems, and where a program gives Serve a TLS listener of
// its own, it has one goroutine. As the handler of an http.Server with HTTP/2, a Server
// accepts WebSockets in streams (RFC 8441) if the program runs with
// GODEBUG=http2xconnect=1. Such a connection costs two goroutines, some 14 KB.
//
//	request ─→ OnHandshake ─→ OnConnection ─→ OnMessage … ─→ (OnError) ─→ OnClose
//	              may refuse                     one at a time, in order
//
// # Callbacks
//
// The callbacks of one connection run one at a time and in order: OnConnection returns
// before the first OnMessage begins, OnClose runs last and once. A connection has a
// goroutine only while events wait for its callbacks. So a callback may block, and delays
// only its own connection. When too many messages wait for it, the connection is not read
// until it has caught up. A callback that panics is logged and its connection closed with
// 1011.
//
// With Inline, callbacks run on the connection's event loop: faster, and every
// connection of that loop waits for them, so they must not block.
//
// # Concurrency
//
// All methods of Conn and Server are safe for concurrent use. Callbacks and
// options of a Server must not be changed once it serves.
//
// The package has no channels, sessions or history; package server has.
package ws
