// Package maru holds the words and contracts of maru, a realtime push server
// for the web: what a publication, a channel, a position, a gap and presence
// are, what a broker guarantees, and which error codes a client can meet. It
// imports nothing but the standard library, opens nothing and starts nothing;
// every other package knows it, and it knows none of them.
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
// Where to look next: package ws is WebSocket for Go and knows no channels;
// package server is the realtime server to embed, and package client what speaks
// with one from Go; cmd/maru is the program.
// The exact promises to programs outside are in docs/contract.md.
//
// All values of this package may be shared between goroutines as long as
// nobody changes them; a Publication is never changed after it is published.
package maru
