// Package maru has the types and contracts of maru, a realtime push server for the web.
// These are channels, publications, positions, gaps, presence, rules, error codes, and the
// guarantees of a broker. It imports only the standard library, opens nothing and starts
// nothing. Every other package may import it.
//
// The way of a message through the program:
//
//	browser ─bytes→ loop → frame.Reader ─message→ gateway ─┐
//	backend ─POST─→ api ───────────────────────────────────┴→ broker.Publish: offset, epoch, history
//	                                                               │ in one order
//	                                                               ▼
//	                               hub: encode once per form, append once per loop
//	                                                               │
//	     socket ←─ one write per connection and batch ←─ loop: groups, bounded backlog
//
// Where to look next: package ws is a WebSocket library without channels. Package server is the
// realtime server to embed, package client is its client in Go, and cmd/maru is the program.
// The promises to other programs are in docs/contract.md.
//
// # Concurrency
//
// All values of this package may be shared between goroutines as long as none of them changes
// the value. A Publication is never changed after it is published.
package maru
