// Package hub is the fan-out of one node: it maps channels to subscribers, and hands each
// subscriber what the broker delivers.
//
//	broker ─Sink→ Hub.Deliver ─→ channel ─┬─ sockets, form A ─→ one loop.Group ─→ loops
//	                                      ├─ sockets, form B ─→ one loop.Group ─→ loops
//	                                      └─ queues: polls, event streams in HTTP/2, the program itself
//
// A Form is how a protocol encodes publications. Gateways register theirs (Hub.Register). A
// publication is encoded once for each form that has a subscriber, and appended once to that
// form's group. A Queue serves a goroutine: it collects publications until Next returns all of
// them. If it is full, it ends its subscriber as slow.
//
// A Receiver takes the place of one connection's socket where each of its messages is to be its own: it
// is called as a group is appended to, with the channel locked.
//
// A channel's state exists while it has subscribers. An idle anonymous socket costs its entry
// in the group, and nothing in this package.
//
// # History first, then live
//
// Channel.Join is the only way to subscribe. Publications are queued while the broker reads the
// history, without a lock. Then, in one step, the replay is sent, then the queued publications
// after it, and the subscriber goes live:
//
//	Join:   what is published waits in a Queue ──┐
//	        └─→ broker.History (no lock)         │
//	Attach: replay, what waited beyond its head ←┘ ─→ the socket joins its group
//	Queue:  j.History, then the same Queue       ─→ the goroutine reads on
//
// The broker's contract alone ensures that there is neither a hole nor a duplicate:
// publications are in order, and history and Sink agree. A subscriber that asks for no history
// receives only publications after it was attached, conflated and paced or not.
//
// # Presence
//
// Each join and leave updates the presence, and costs no more than a count. Only while a socket
// follows a channel's changes does the hub keep what it has sent (changes.go): people, not
// connections, in numbered batches.
//
// Where there are other nodes, Others brings their people (others.go). They are kept apart from our
// own, by node, and are joins and leaves of the same presence.
//
// # Concurrency and locks
//
// Everything may be called from any goroutine. Join with a history, Attach with a long one,
// Subscribe and Next may wait, and are not for loops. Lock order: shard.mu, then Channel.mu,
// then Queue.mu. Those of Others come after Channel.mu. The broker's locks come before these: the
// hub calls the broker with none held.
//
// Channel.mu is held during delivery, on purpose: all subscribers receive publications in the
// order in which it was locked. Appending to a group or a queue never waits. A listener
// (Channel.Listen) is called after it was released, in the order in which the broker delivers.
//
// # What it does not do
//
// It keeps no history, decides no rights, and speaks no protocol.
package hub
