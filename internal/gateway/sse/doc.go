// Package sse is the gateway for server-sent events: a channel, or a channel's
// presence, as an endless text/event-stream.
//
//	retry: 7312
//	id: k3f9:811            the client's position, so that a drop before the first
//	event: position         message recovers; with data, for clients that ignore an
//	data: {"epoch":…}       id without data; a comment makes the block 2 KiB, for
//	:                       proxies that hold back less
//	id: k3f9:812
//	data: kim => hello      one data line for each line of the text
//
//	event: base64           binary, and text with a CR, which would be
//	id: k3f9:815            taken for the end of a line
//	data: AQID
//
//	id: k3f9:816            of an event that the publication names; where it is base64
//	event: price            the name is base64:price
//	data: 7.50
//
//	event: gap              missed publications are no longer retained in full
//	data: {"reason":"expired","from":813,"to":900}
//
//	:                       a comment every 15 s, or as the options say: proof of
//	                        life for proxies
//
//	retry: 4200             the last block of a draining server: reconnect then
//
//	retry: 7312             all of a stream that cannot be served now: EventSource
//	event: refused          takes any status but 200 as final
//	data: {"code":…}
//
// The ids of a stream that was opened with a ticket end in :SECRET, which opens it again.
//
// A gap has an id only if no retained publication follows it: with an id, a client that is cut
// off right after the gap would skip what follows.
//
// A stream ends when the client disconnects, when its session ends, on shutdown, and when the
// client reads too slowly: more waits than the limits of the engine or the hub allow, or
// longer. The stream then ends without a message; the client reconnects with the last id that
// it has.
//
// # Two ways
//
// In HTTP/1 the stream of a channel uses its connection alone, and ends with it:
//
//	request ─→ all checks ─→ history ─→ hijack ─→ engine.Open, held
//	                                                  │ head, history, join
//	socket ←─ loop ←─ the channel's group, form ←─────┘
//
// A stream in HTTP/2, with a ticket, on a connection that cannot be taken over, or of presence is served by
// the goroutine of its request (stream.go).
//
// # Concurrency
//
// A connection is made by the goroutine of its request and lives on its loop; whichever of
// the two finishes last releases it. All waiting events are joined into one write in both
// cases.
//
// # What it does not do
//
// It does not wait for slow clients, and has no routes besides those of Mount.
package sse
