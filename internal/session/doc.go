// Package session is one client's life in the full protocol, maru.v1: it reads
// commands, carries them out in order, and answers. docs/protocol.md is normative.
//
//	text message ─→ parse ─→ command ─┬─ cannot wait: at once, on the connection's loop
//	                                  └─ may wait (connect, subscribe, history, refresh): one goroutine,
//	                                     behind which the next commands queue until it has no more to do
//	reply  ←─ Connection.Send
//	pushes ←─ the hub, to the subscriptions that Connection.Subscribe makes
//
// So commands are carried out in the order in which they came, a session at rest
// has no goroutine, and one that waits for a history holds up nobody else. Replies to
// publish and rpc come when they are ready. Past maxWaiting commands that queue, or
// maxInflight publications and rpc on their way, the connection is not read.
//
// There is one file for each command: its shape, its reply, what it does.
//
// # Concurrency
//
// Message and Closed are the connection's loop's, one at a time. Everything else
// happens under Session.mu, which is never held while waiting or while a
// subscription begins.
//
// # What it does not do
//
// It knows no socket, no HTTP and no rules: who somebody is and what they may is an
// Identity; how a channel's publications reach the connection is the Connection's.
package session
