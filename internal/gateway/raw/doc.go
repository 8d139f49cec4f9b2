// Package raw is the gateway for any WebSocket client: a connection on a channel's address
// without a subprotocol. Each message from the client is published, and each publication is
// sent as a message to all, the sender included.
//
//	socket ─→ loop ─→ connection.Message ─→ Env.Submit ─→ broker
//	socket ←─ loop ←─ the channel's group  ←─ hub ←────────┘
//
// Parameters of the address: as=publication sends each publication as its JSON. since=POSITION
// first sends the missed publications, or closes with 4410 if they are no longer retained; it
// needs as=publication, because the bare form has no positions. last=N first sends the newest
// N. deliver=latest and max_hz=N: see request.Delivery.
//
// # Concurrency
//
// A connection is made by the goroutine of its handshake and lives on its loop, see
// package gateway. Per connection there is one object of 80 bytes and no goroutine.
//
// # What it does not do
//
// It selects no subprotocol but maru.raw, which has no meaning (RFC 6455 §4.2.2). It has no
// replies: a bare message has no place for them.
package raw
