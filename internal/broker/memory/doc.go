// Package memory is the broker that keeps history in this process's memory: a
// maru.Broker of one node, without a disk, without a goroutine.
//
// A namespace is one mutex, one number and one order; a channel is a window on
// what was published in it.
//
//	namespace "stock", number 812, removed 790
//
//	  order of retention    a810 ─ b811 ─ a812     oldest first, over all channels: age and bytes take from the left
//	  channel stock:a       removed 805 │ 810 812  too many: its own oldest goes
//	  channel stock:b       removed   0 │ 811
//	  idle channels         c ─ d                  hold nothing; only their heads are remembered
//
// What a channel retains is always the newest part of what was published in it,
// without holes, so one offset says what is missing: removed, the channel's
// offset before the first retained publication. A publication that cannot be
// retained (larger than the namespace's bytes) therefore takes what its channel
// retained with it.
//
// # Limits
//
// A publication first takes the place of its channel's oldest (count), then that
// of the namespace's oldest (bytes). Age counts on the monotonic clock: setting
// the system's clock neither expires nor keeps anything. Publication.Time is the
// system's clock in UTC, so it can step back when that clock is set back; order
// is told by offsets alone.
//
// # When memory is given back
//
// At the next Publish or History in the namespace after it is due, all at once;
// nothing runs in between. So a namespace that nobody touches any more keeps what
// it held then, at most BytesPerNamespace. Channels that hold nothing are remembered for
// their heads, at most EmptyChannels in a namespace, then the one empty for
// longest is forgotten; namespaces are remembered up to Options.Namespaces, then
// the one longest without a publication is forgotten with all that it holds. Who
// returns to something forgotten is told of a gap, possibly of a wider one than
// there is, never of none.
//
// A channel that was never published to costs nothing, and asking for its
// history does not change that.
//
// # Epoch
//
// Each Broker has a new random epoch, which all its namespaces share: positions
// are compared within one namespace only.
//
// # Concurrency
//
// All methods are safe for concurrent use. Lock order: Broker.mu, then
// namespace.mu. The Sink is called under namespace.mu; publishers of different
// namespaces do not meet.
//
// # What it does not do
//
// It does not survive a restart, carry publications to other nodes, or judge
// channel names (maru.CheckChannel does).
package memory
