// Package request reads what a request says, in the same way for all ways into a channel:
// the parameters of its address, the kind of its body, the key in its data.
//
//	?since=k3f9:812&last=20  ─→ ParseQuery ─→ Replay: a maru.HistoryQuery
//	?deliver=latest&max_hz=4 ─→ ParseQuery ─→ Delivery: how much a subscriber wants
//	Content-Type, body       ─→ Kind, CompactJSON: what is published
//	{"symbol":"AAPL",…}      ─→ KeyAt("/symbol"): the key of a publication
//
// It takes strings and bytes and knows no sockets. Errors are *maru.Error, for the client, and do not
// repeat what the client sent: refusals are logged, and a query may hold a secret.
// Functions are safe for concurrent use.
package request
