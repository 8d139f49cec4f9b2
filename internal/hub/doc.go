// Package hub is the fan-out of one node: it knows who is subscribed to which
// channel and hands each of them what the broker delivers.
//
//	broker ─Sink→ Hub.Deliver ─→ channel ─┬─ sockets, raw form ─────────→ one loop.Group ─→ loops
//	                                      ├─ sockets, publication form ─→ one loop.Group ─→ loops
//	                                      ├─ event streams ─────────────→ one loop.Group ─→ loops
//	                                      └─ queues: long polls, event streams in HTTP/2
//
// A publication is encoded once for each form that has a subscriber and appended
// once to that form's group. A Queue serves a goroutine: it collects until Next
// takes all that waits, and ends its subscriber as slow when it is full.
//
// A channel's state exists while somebody is there. An idle anonymous socket that
// joined without history costs its entry in the group and nothing in this
// package.
//
// # History first, then live
//
// For a position or the newest N, what is published waits while the broker is
// asked, without a lock; then, in one step, the replay is sent, what waited beyond
// it, and the socket joins its group:
//
//	what is published waits ────────┐
//	└─→ broker.History (no lock) ─→ lock: replay, what waited after its head, join ─→ live
//
// That there is neither hole nor double follows from the broker's contract alone:
// in order, and history and Sink agree on what is published.
//
// # Presence
//
// Who is there is counted with each join and leave, for nothing more. Only while a
// socket follows a channel's changes is it known what was told of them (changes.go):
// people, not connections, in numbered batches.
//
// # Concurrency and locks
//
// Everything may be called from any goroutine; Ask, Join, JoinFrom, Subscribe and
// Next, which may wait, not from a loop. Order of locks: shard.mu, then Channel.mu, then
// Queue.mu. The broker's locks come before these: the hub calls the broker with none
// held.
//
// Channel.mu is held while delivering, on purpose: order for all subscribers is
// the order in which it was taken, and neither appending to a group nor to a
// queue ever waits.
//
// # What it does not do
//
// It keeps no history, decides no rights, and speaks no protocol.
package hub
