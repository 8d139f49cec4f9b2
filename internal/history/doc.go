// Package history is what a namespace retains: the window of its newest
// publications, channel by channel, and what is known of those that were removed. It only
// computes with the values that it receives, including the time; NewEpoch alone takes random
// ones. The brokers that use it have the locks, the clock and, if there is one, the disk.
//
//	namespace "stock", number 812, removed 790
//
//	  order of retention    a810 ─ b811 ─ a812     oldest first, over all channels: age and bytes remove from the left
//	  channel stock:a       removed 805 │ 810 812  too many: its own oldest is removed
//	  channel stock:b       removed   0 │ 811
//	  quiet channels        c, d: head, version    retain nothing; 40 bytes each, names as hashes
//
// What a channel retains is the newest part of what was published in it, so one offset says
// what is missing: removed, the channel's offset before the first retained publication. A
// publication that cannot be retained (larger than the namespace's bytes) therefore removes
// what its channel retained. Only a damaged log makes holes after that: see Restore.
//
// # Limits
//
// A new publication first replaces its channel's oldest (count), then the namespace's
// oldest (bytes). A limited number of quiet channels are remembered for their heads and
// versions (Heads); then the one that was published to first is forgotten. A subscriber that
// returns to a forgotten channel receives a gap, which may be wider than what is missing,
// and never receives none where something is missing. Each publisher has a share of the
// idempotency keys (Keys): a key is never forgotten before its time.
//
// A channel without publications costs nothing, and asking for its history does not
// change that.
//
// Times are durations from any fixed moment, on a clock that never goes back. A publication
// from before that moment has a negative time.
//
// # Concurrency
//
// The owner of a Namespace or of Repeats locks it. Heads and Keys, which namespaces share, lock
// themselves.
package history
