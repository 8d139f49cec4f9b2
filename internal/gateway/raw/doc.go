// Package raw is the gateway for any WebSocket client: a connection on a
// channel's address without a subprotocol. Each message in is a publication,
// each publication a message out, the sender included.
//
//	socket ─→ loop ─→ connection.Message ─→ Env.Submit ─→ broker
//	socket ←─ loop ←─ the channel's group  ←─ hub ←────────┘
//
// Parameters of the address: as=publication sends each publication as its JSON;
// since=POSITION, with that form only, because the bare one has no positions, sends
// first what was missed, or closes with 4410 if that is no longer retained; last=N
// sends first the newest N; deliver=latest and max_hz=N: see request.Delivery.
//
// # Concurrency
//
// A connection is made by the goroutine of its handshake and lives on its loop, see
// package gateway. Per connection there is one object of 80 bytes and no goroutine.
//
// # What it does not do
//
// It selects no subprotocol but maru.raw, which means nothing (RFC 6455 §4.2.2), and
// has no replies: a bare message says nothing about itself.
package raw
