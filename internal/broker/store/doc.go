// Package store is the broker that keeps history on disk: a maru.Broker on Pebble, a
// key-value store with a log, in this process. Package broker/disk makes it public.
//
//	Submit ─→ queue ─→ batch: decide and number ─→ commit ─→ DIR/last ─→ index ─→ Sink ─→ done
//	                       ↑                          │                   │
//	                heads, keys ←───── DIR/store ←────┘     History ←─────┴── publications
//
// A namespace has one queue. While the queue has submissions, one goroutine takes them in
// batches of up to 256. So a single publisher waits for one write, and many publishers
// share one. While a batch is written the next one is decided.
//
// What is retained is known in memory (see index), some 56 bytes for a publication. The
// publications themselves, the heads of quiet channels and the idempotency keys are on disk,
// behind a cache.
//
// # On disk
//
//	DIR/lock     locked while a process uses DIR
//	DIR/store/   Pebble: the keys are in keys.go
//	DIR/last     the last number that each namespace has acknowledged: see last.go
//	DIR/ballast  room that is given up when the disk is full
//
// A commit has the publications, the heads of their channels, the idempotency keys and the
// record of the namespace, all or nothing.
//
// # What an acknowledged publication survives
//
// Interval: the end of the process, kill -9 included, since each commit has reached the
// system before it is acknowledged. After a loss of power, what was written more than a
// second before it is there. Sync: a loss of power.
//
// # Damage
//
// A start reads everything and compares it. DIR/last shows a store that ends too early. The
// record of a namespace has the sum of the heads of its channels, so that none can be missing
// or old. A head has the first and the last offset that its channel retains, and each
// publication the one before it. Each value has a check of its own. So a removed publication
// needs no trace of its own, and anything else that is missing shows. Where the channel is
// known, its history begins after what is missing; else the namespace begins a new epoch. A
// number is never given twice in an epoch.
//
// A store that Pebble cannot open, or cannot read in full, is moved aside, and what can be
// read is copied to a new one: see salvage.go.
//
// # A full disk
//
// Pebble never sees an error of a write: see files. The write waits and is tried again, while
// publications fail. Those that were waiting already fail too, and are delivered if their
// write succeeds later.
//
// # Limits
//
// 63 MiB for a publication (CodeTooLarge beyond). 1,000,000 heads of quiet channels in a
// namespace; beyond it the oldest are forgotten, and subscribers that return may receive a gap
// where nothing is missing.
//
// # Concurrency
//
// All methods are safe for concurrent use. Locks, in the order in which they are taken; a
// goroutine that holds one takes only locks below it:
//
//	namespace.log    what the store will have when all batches are written. The writer of the
//	                 namespace holds it.
//	Broker.keeping   the same for the records of the Keeper.
//	Broker.opening   the store itself; see there.
//	Broker.mu        the table of namespaces, and closed.
//	namespace.mu     index and queue of a namespace. It is not held while the disk is used.
//	answers.mu, health.mu, cache.mu, the locks of files and lastFile
//
// Of two namespaces a goroutine never holds the same lock at once. Callbacks: Retention is
// called without locks, the Sink under namespace.log and namespace.mu, done under namespace.log
// and answers.mu or with no lock; none of them may call the broker.
package store
