// Package socketio is the gateway of Socket.IO clients: Socket.IO protocol 5 on Engine.IO
// protocol 4, by WebSocket and by long polling, with the upgrade from one to the other. A page
// with the published socket.io-client needs nothing but the server's address.
//
//	GET ?transport=websocket        ─→ a WebSocket on the loops: one object, no goroutine
//	GET ?transport=polling          ─→ a parked connection of the engine, which polls empty
//	GET ?transport=websocket&sid=…  ─→ probed, and attached to the parked connection
//	                │
//	                ▼ packets (internal/engineio, internal/packet)
//	            Conn: heartbeat, attachments, one Speaker
//	                │
//	                ▼
//	            mapping: the events of a client are the commands of a session
//
// To hub, session and registry both transports are one connection for life, so the upgrade needs
// nothing of theirs: what waits for a client that polls waits in the outbox of its connection,
// and leaves by the socket once there is one.
//
// docs/socketio.md has the mapping: which events a client sends, and which it receives.
//
// # Concurrency
//
// What a client sends is processed by one goroutine at a time: the loop of its socket, or the one
// request that posts. Conn.mu guards the state of the transport; it is held for moments.
package socketio
