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
// and when the client does not read: when more waits than the hub's bounds
// allow, or one write takes longer than Options.WriteTimeout. It just ends; the
// client comes back by itself with the last id that it has.
//
// # Concurrency
//
// Each stream is served by the goroutine of its request. What waits is joined into
// one write.
//
// # What it does not do
//
// It does not wait for the client's reading, and knows no routes.
package sse
