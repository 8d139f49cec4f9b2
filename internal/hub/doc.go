// Package hub is the fan-out of one node: it knows who is subscribed to which
// channel and hands each of them what the broker delivers.
//
//	broker ─Sink→ Hub.Deliver ─→ channel ─┬─ sockets, form A ─→ one loop.Group ─→ loops
//	                                      ├─ sockets, form B ─→ one loop.Group ─→ loops
//	                                      └─ queues: polls, event streams in HTTP/2, the program itself
//
// A Form is how a protocol writes publications. Gateways register theirs (Hub.Register); a
// publication is encoded once for each form that has a subscriber and appended once to that form's
// group. A Queue serves a goroutine: it collects until Next returns all that waits, and ends
// its subscriber as slow when it is full.
//
// A channel's state exists while somebody is there. An idle anonymous socket costs its
// entry in the group and nothing in this package.
//
// # History first, then live
//
// There is one way into a channel, Channel.Join. What is published waits while the broker is
// asked, without a lock; then, in one step, the replay is sent, what waited beyond it, and the
// subscriber goes live:
//
//	Join:   what is published waits in a Queue ──┐
//	        └─→ broker.History (no lock)         │
//	Attach: replay, what waited beyond its head ←┘ ─→ the socket joins its group
//	Queue:  j.History, then the same Queue       ─→ the goroutine reads on
//
// That there is neither hole nor double follows from the broker's contract alone: in order, and
// history and Sink agree on what is published. A subscriber that asks for no history gets what is
// published after it was attached, and nothing that came before, conflated and paced or not.
//
// # Presence
//
// Presence is counted with each join and leave, for nothing more. Only while a
// socket follows a channel's changes does the hub keep what was sent of them (changes.go):
// people, not connections, in numbered batches.
//
// # Concurrency and locks
//
// Everything may be called from any goroutine. Join with a history, Attach with a long one,
// Subscribe and Next may wait, and are not for loops. Order of locks: shard.mu, then
// Channel.mu, then Queue.mu. The broker's locks come before these: the hub calls the broker with
// none held.
//
// Channel.mu is held while delivering, on purpose: order for all subscribers is
// the order in which it was locked, and neither appending to a group nor to a
// queue ever waits.
//
// # What it does not do
//
// It keeps no history, decides no rights, and speaks no protocol.
package hub
