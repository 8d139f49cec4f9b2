// Package jetstream is the broker that keeps history on disk: a maru.Broker whose log is
// an embedded NATS server with JetStream, in this process, with no port open.
//
// What is retained stands in memory too, as package history has it, and is answered
// from there. The disk is written as a log and read only at the start, and so the
// rules of positions and gaps are the same code as without a disk.
//
//	Submit ─→ queue ─→ batch: decide and number ─→ append to the log ─→ history ─→ Sink ─→ done
//	                                                  │   ↑
//	                                  DIR/interval or DIR/sync, read at the start
//
// A namespace has one queue and, while something stands in it, one goroutine, which
// takes what has come, up to 256, as one batch. So who publishes alone waits for one
// write, and many share the way there and back.
//
// # On disk
//
//	DIR/lock         held while a process uses DIR
//	DIR/record.json  what maru knows apart from the store: see Record
//	DIR/interval/    the store of the namespaces that are synced at intervals
//	DIR/sync/        the store that syncs each write; only if a namespace asks for it
//
// In a store each namespace is a stream, whose subjects carry the channel's name as
// one base64url token. A message is an envelope: the offset, the channel's offset
// before it (JetStream would not tell it), what else belongs to the publication, its
// idempotency key, its data. Keys are written once more to a stream of their own,
// which keeps them for maru.IdempotencyAge however soon the publication goes; that is
// done after the publication is in the log and before done is called, so that a key
// never speaks for a publication that is not there.
//
// # What an acknowledged publication survives
//
// Interval: the end of the process, kill -9 included, since each write has reached
// the system before it is acknowledged. Of a loss of power, what was written more than
// SyncInterval before. Sync: a loss of power.
//
// JetStream cuts a damaged tail silently and gives the cut numbers again. The record
// is there to notice: when a namespace's log ends below what was acknowledged a
// second before the end, or when the last end was not clean, of another boot of the
// machine, and without Sync, its epoch changes: all who return are told of a gap
// of unknown extent. The log says so with the directory and the numbers.
//
// # A disk that is full
//
// Publications then fail with CodeStorageFull (or CodeUnavailable when it is something
// else), histories go on being answered, and every few seconds it is tried whether the
// disk takes a file again. Once it does the store is opened anew, and what had
// reached the log without having been acknowledged is delivered.
//
// # Limits
//
// Package history's; 63 MiB a publication, CodeTooLarge; 1,000 namespaces, one more fails with CodeStorageFull. The memory
// is at most what they retain; the disk holds about twice as much.
//
// # Concurrency
//
// All methods are safe for concurrent use. Lock order: Broker.mu, then namespace.mu.
// The Sink is called under namespace.mu.
package jetstream
