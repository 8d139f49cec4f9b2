// Package cluster is the broker of several nodes: a maru.Broker on NATS with JetStream. Package
// maru.example/maru/broker/cluster offers it to programs.
//
// Each namespace has one owner among the nodes, which numbers its publications and has its history
// in memory, as the broker of one machine has. What it acknowledges is in a stream of JetStream,
// which keeps it on a majority of servers. Any other node that is asked asks the owner.
//
//	Submit on a node ─→ place of the namespace ─┬─ ours ──────────────────────────┐
//	                                            └─ theirs ─→ request to the owner ─┤
//	                                                                               ▼
//	owner:  queue ─→ batch: decide and number ─→ append to the stream ─→ history ─→ carriage
//	                                                                                   │
//	every node with subscribers:  follower of the channel ←────────────────────────────┘
//	                                  │ something is missing: from the owner's history, first
//	                                  ▼
//	                                Sink
//
// # Numbers
//
// An offset is the number of the message in the stream. Only the owner appends, and each message
// says which number it must get (Nats-Expected-Last-Sequence). So a former owner that does not know
// yet that it was replaced cannot append: the new one's first entry, which names its term, has
// taken the number. Entries of terms have no publication; offsets are not consecutive anyway.
//
// # Ownership
//
// Two key-value buckets have what the nodes agree on. In "nodes" each node counts up once a second;
// one that stands still for five seconds, by the clock of the node that watches, is dead. In
// "owners" each namespace has its owner, its term and its epoch; a change is a compare-and-set. A
// node takes a namespace whose owner is dead when it needs it. It then reads the stream. A watch of
// the bucket can stand still while all nodes live, so the bucket's leader is asked first (doubt.go).
//
// A node that could not count up for four seconds does not know whether it is alive to the others:
// it publishes nothing and answers no history until it can. Then it confirms what it owns.
//
// # Carriage
//
// The owner sends each publication to a subject of the channel, on which only nodes with
// subscribers listen, with the channel's offset before it. A node that does not have that offset
// has missed something, and reads it from the owner's history before it delivers more. Once a
// second it compares the heads of its channels with the owner's, at most 10,000 by turns, which shows a
// loss at the end.
//
// # One order
//
// Where clients have one position of several channels (maru.Orderer), a node delivers a namespace in the
// order of its numbers. The owner sends an index behind each batch, which says which channels its
// numbers have; until that shows that nothing is missing, what has arrived waits (lane).
//
// # Messages between servers
//
// The broker is a maru.Bus: servers send each other messages on core subjects, which arrive at most
// once, in the queue of what is carried. For the bus a node is dead when neither the bucket nor the
// bus has shown it for five beats (signs.go).
//
// # Records
//
// The broker is a maru.SharedKeeper. A record is a message of the stream PREFIX_kept, which ends with it;
// a removal is a message that lasts as long as the record would have. Lookup and Swap ask the leader of
// the stream. Kept first stores a message of its own, and reads until that: replicas may be behind. A
// watch reads on when a hint arrives, or once in a beat.
//
// # What an acknowledged publication survives
//
// What the servers of NATS keep: a majority of the replicas has it. The stream's last number is
// noted once a second in "owners", and the heads of channels in checkpoints. If the stream ends before
// that number the namespace begins a new epoch; if entries are lost or damaged their channels have a
// gap, as on one machine, and the log says so. One replica that differs is noticed: its leader is read.
//
// # Concurrency
//
// All methods are safe for concurrent use. Locks, in the order in which they are taken:
//
//	namespace.noting held while heads and the last number are noted in NATS
//	place.mu      which node a namespace belongs to, and what waits until that is known
//	namespace.log the stream's last number; the writer holds it while a batch is on its way
//	namespace.mu  history, keys and queue
//	lane.mu       what waits for the order of a namespace
//	follower.mu   what was delivered of a channel
//	Broker.mu     what the node follows
//
// The Sink is called under follower.mu, for our own namespaces also under namespace.mu.
package cluster
