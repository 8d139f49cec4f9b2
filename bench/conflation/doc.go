// Conflation shows that slow clients do not delay others. Quotes, 1,000 keys that change 20
// times a second, go to 200 readers of deliver=latest, in turn alone and with 50 more that
// read 2 KB/s. From bench/:
//
//	go run ./conflation
//
//	publishers ──maru.v1──→ maru serve ──→ normal readers: each value of each key, and how late
//	                                      └──→ slow readers: 2 KB/s; of each key only newer values, and the final one
//
// It reports, for the rounds with and those without slow readers: how late values come to
// the normal readers, the server's CPU, its memory, and how many values became stale. A
// value that is older than one before it, or a final one that does not come, ends it with
// exit code 1.
//
// It needs Linux (/proc). All of it shares the machine's cores, and so the figures are no
// server's alone; they are for being compared with each other.
package main
