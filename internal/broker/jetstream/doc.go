// Package jetstream is the beginning of a broker for many machines: a maru.Broker whose log is
// an embedded NATS server with JetStream, in this process, with no port open. No program links
// it; it is held to the shared suite of brokers (docs/design/0021-pebble.md).
//
// What is retained is in memory too, as package history holds it, and is answered
// from there. The disk is written as a log and read only at the start. So the
// rules of positions and gaps are the same code as without a disk.
//
//	Submit ─→ queue ─→ batch: decide and number ─→ append to the log ─→ history ─→ Sink ─→ done
//	                                                  │   ↑
//	                                  DIR/interval or DIR/sync, read at the start
//
// A namespace has one queue. While the queue has submissions, one goroutine takes them in
// batches of up to 256. So a single publisher waits for one write, and many publishers
// share the round trip.
//
// # On disk
//
//	DIR/lock         locked while a process uses DIR
//	DIR/record.json  what maru knows apart from the store: see Record
//	DIR/interval/    the store of the namespaces that are synced at intervals
//	DIR/sync/        the store that syncs each write; only if a namespace asks for it
//
// In a store each namespace is a stream, whose subjects carry the channel's name as
// one base64url token. A message is an envelope: the offset, the channel's offset
// before it (which JetStream does not know), the rest of the publication, its
// idempotency key, its data. Keys are written once more to a stream of their own,
// which keeps them for maru.IdempotencyAge even if the publication is removed earlier.
// They are written after the publication is in the log and before done is called, so that
// there is never a key without its publication.
//
// # What an acknowledged publication survives
//
// Interval: the end of the process, kill -9 included, since each write has reached
// the system before it is acknowledged. After a loss of power, what was written more than
// SyncInterval before it is there. Sync: a loss of power.
//
// JetStream cuts off a damaged tail without a report and assigns the cut numbers again. The
// record detects that. A namespace gets a new epoch when its log ends below what was
// acknowledged a second before the end. It also gets one after an unclean end in another
// boot of the machine, unless it is Sync. All subscribers that return then receive a gap of
// unknown extent. The log line has the directory and the numbers.
//
// # A full disk
//
// Publications then fail with CodeStorageFull (or CodeUnavailable for another cause), and
// histories are still answered. Every few seconds the broker tries to write a file. Once
// that succeeds it opens the store anew, and delivers what had reached the log
// without having been acknowledged.
//
// # Limits
//
// Package history's limits; 63 MiB for a publication (CodeTooLarge beyond); 1,000
// namespaces (CodeStorageFull beyond). Memory holds at most what the namespaces
// retain; the disk holds about twice as much.
//
// # Concurrency
//
// All methods are safe for concurrent use. Locks, in the order in which they are taken; a
// goroutine that holds one takes only locks below it:
//
//	namespace.log     the appender and the numbers of a namespace. Its writer holds it while
//	                  batches are in progress, and a repair while it catches up.
//	disk.opening      opening a store and declaring it broken. Nothing is taken under it.
//	Broker.recording  writing the record; never together with disk.opening.
//	Broker.mu         the table of namespaces, and closed. It is released before
//	                  namespace.mu is taken.
//	namespace.mu      history, keys and queue of a namespace. Nothing is taken under it.
//
// Of two namespaces a goroutine never holds the same lock at once. disk.store, disk.why and
// namespace.skew are atomic and are read without a lock. Callbacks: Retention is called
// under Broker.mu, the Sink under namespace.log and namespace.mu, done under namespace.log or
// with no lock; none of them may call the broker.
//
// Close waits for the writers, then for the checkpoints and repairs, and takes no lock while
// it waits. The lock of the directory (DIR/lock) is held from Open to the end of Close.
package jetstream
