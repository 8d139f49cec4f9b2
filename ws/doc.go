// Package ws is WebSocket for Go, a server and a client, with the events that a
// browser's WebSocket has: connection, message, error, close.
//
//	server := ws.Server{Addr: "localhost:3000"}
//	server.OnMessage = func(c *ws.Conn, m ws.Message) {
//		server.Broadcast(m) // to every client, the sender included
//	}
//	log.Fatal(server.ListenAndServe())
//
// It follows RFC 6455 strictly and RFC 7692 (permessage-deflate), without context
// takeover unless told otherwise. An idle connection has no goroutine on Linux, and over plain TCP no
// buffer; on other systems, and where a program brings a TLS of its own to
// Serve, it has one goroutine. As the handler of an http.Server that speaks HTTP/2, a
// Server takes WebSockets in streams (RFC 8441) if the program runs with
// GODEBUG=http2xconnect=1; one costs two goroutines, some 14 KB.
//
//	request ─→ OnHandshake ─→ OnConnection ─→ OnMessage … ─→ (OnError) ─→ OnClose
//	              may refuse                     one at a time, in order
//
// # Callbacks
//
// The callbacks of one connection run one at a time and in order: OnConnection
// returns before the first OnMessage begins, OnClose runs last and once. A
// connection with something to tell gets a goroutine until all is told, and none
// otherwise; so a callback may block, and holds up only its own connection. When
// too much waits for it, the connection is not read until it has caught up. A
// callback that panics is logged and its connection closed with 1011.
//
// With Inline, callbacks run on the connection's event loop: faster, and every
// connection of that loop waits for them, so they must not block.
//
// # Concurrency
//
// All methods of Conn and Server are safe for concurrent use. Callbacks and
// options of a Server must not be changed once it serves.
//
// The package knows nothing of channels, sessions or history; package server
// does.
package ws
