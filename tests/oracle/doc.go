// Package oracle compares a server with its promises. With --data, a client that reconnects
// receives every message once and in order, or a gap, even when the server is killed (kill -9)
// again and again.
//
//	publishers ──POST, Idempotency-Key, until acknowledged──→ maru serve --data ──→ followers
//	    └──────────→ the truth: what was acknowledged, and where ←──compared──────────┘
//
// Publishers repeat each message until it is acknowledged. Followers read one channel each,
// over maru.v1, WebSockets with positions, event streams or polls. They are cut off, stop
// reading for a while, and reconnect from their position. In the end each must have received
// every acknowledged message, except those in the gaps that it received.
//
// Beside them strangers publish in ever new namespaces that are not listed. They must harm
// nothing: channels that had one publication at the beginning have no gap, still retain it,
// and their idempotency keys are still known.
//
// The seed decides who is cut when, but not how the system schedules. A failure prints it, and
// usually happens again with
//
//	go test ./tests/oracle -kills 100 -clients 200 -seed N
//
// which `make soak` does with a new seed. Without flags it is a short run.
package oracle
