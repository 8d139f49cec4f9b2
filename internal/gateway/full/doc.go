// Package full is the gateway for clients of maru.v1: a WebSocket that offers that
// subprotocol, on any channel's address. docs/protocol.md is normative; what the
// commands do is package session's.
//
//	GET /channels/ANY, Upgrade: websocket, Sec-WebSocket-Protocol: maru.v1
//	    │ decided in net/http's goroutine: room, identity, handshake
//	    ▼
//	engine.Open, 101 ─→ session begins ─→ reading begins
//
//	socket ─→ loop ─→ member.Message ─→ session: commands ─→ broker, hub
//	socket ←─ loop ←─ member.Send: replies
//	               ←─ the groups of the channels: pushes, encoded once for all
//
// # Concurrency
//
// A member is made by the goroutine of its handshake and lives on its loop. Per
// connection there is one object, the session a part of it, and no goroutine.
package full
