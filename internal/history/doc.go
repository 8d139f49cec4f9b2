// Package history is what a namespace retains: the window of its newest
// publications, channel by channel, and what is known of those that are gone. It is
// arithmetic on values that it is given, the clock among them; the brokers around it
// have the locks, the clock and, if there is one, the disk.
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
// of the namespace's oldest (bytes). Channels that hold nothing are remembered for
// their heads, so many of them, then the one empty for longest is forgotten. Who
// returns to something forgotten is told of a gap, possibly of a wider one than
// there is, never of none.
//
// A channel that was never published to costs nothing, and asking for its
// history does not change that.
//
// Times are durations from any fixed moment, on a clock that never goes back; what
// was published before that moment has a negative one.
//
// # Concurrency
//
// None: who owns a Namespace or Repeats guards it.
package history
