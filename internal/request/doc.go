// Package request parses requests, in the same way for all protocols: the parameters of the
// address, the kind of the body, the key in its data.
//
//	?since=k3f9:812&last=20  ─→ ParseQuery ─→ Replay: a maru.HistoryQuery
//	?deliver=latest&max_hz=4 ─→ ParseQuery ─→ Delivery: how much a subscriber wants
//	Content-Type, body       ─→ Kind, CompactJSON: what is published
//	{"symbol":"AAPL",…}      ─→ KeyAt("/symbol"): the key of a publication
//
// It works on strings and bytes, without sockets. Errors are *maru.Error, for the client, and
// do not repeat what the client sent: refusals are logged, and a query may hold a secret.
// Functions are safe for concurrent use.
package request
