// Package sse is the gateway for server-sent events: a channel, or a channel's
// presence, as an endless text/event-stream.
//
//	retry: 2000
//	id: k3f9:811            a block without data: where the client stands now,
//	                        so that a drop before the first message recovers
//	id: k3f9:812
//	data: kim => hello      one data line for each line of the text
//
//	event: base64           binary, and text with a CR, which would be
//	id: k3f9:815            taken for the end of a line
//	data: AQID
//
//	event: gap              what was missed is no longer retained in full;
//	data: {"reason":"expired","from":813,"to":900}
//
//	:                       a comment every 15 s: proof of life for proxies
//
//	retry: 4200             the last block of a server that drains: come back then
//
// A gap has an id only when nothing retained follows it: with one, who is cut off
// right after the gap would skip what follows.
//
// A stream ends when the client goes, when the session behind it ends, on shutdown,
// and when the client does not read: when more waits than the bounds of the engine or
// the hub allow, or longer. It just ends; the client comes back by itself with the last
// id that it has.
//
// # Two ways
//
// In HTTP/1 the stream of a channel has its connection for itself, and ends with it:
//
//	request ─→ all that may refuse it ─→ history ─→ hijack ─→ engine.Open, held
//	                                                              │ head, history, join
//	socket ←─ loop ←─ the channel's group, hub.Events ←───────────┘
//
// What has no connection of its own, in HTTP/2 or where it cannot be taken over, and
// the stream of presence, has a goroutine: its request's (stream.go).
//
// # Concurrency
//
// A member is made by the goroutine of its request and lives on its loop; whichever of
// the two is last lets it go. What waits is joined into one write, either way.
//
// # What it does not do
//
// It does not wait for the client's reading, and knows no routes.
package sse
