// Package oracle holds a server against what it promises: with --data, whoever comes
// back has every message once and in order, or is told what is missing, also when the
// server is killed (kill -9) again and again.
//
//	publishers ──POST, Idempotency-Key, until acknowledged──→ maru serve --data ──→ followers
//	    └──────────→ the truth: what was acknowledged, and where ←──compared──────────┘
//
// Publishers try each message until it is acknowledged. Followers read a channel each, over
// the full protocol, sockets with positions, event streams or polls; they are cut off, stop
// reading for a while, and come back from the position that they had. In the end each must
// have seen what was acknowledged, but for the gaps that it was told.
//
// The seed decides who is cut when, not how the system schedules; a failure names it, and
// usually comes again with
//
//	go test ./tests/oracle -kills 100 -clients 200 -seed N
//
// which `make soak` does with a new seed. Without flags it is a short run.
package oracle
