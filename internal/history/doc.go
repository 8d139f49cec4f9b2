// Package history holds what a namespace retains: its newest publications by channel, and the
// offsets of those that were removed. It computes on values that it is given, the time among
// them; the brokers around it have the locks, the clock and, if there is one, the disk.
//
//	namespace "stock", number 812, removed 790
//
//	  order of retention    a810 ─ b811 ─ a812     oldest first, over all channels: age and bytes take from the left
//	  channel stock:a       removed 805 │ 810 812  too many: its own oldest goes
//	  channel stock:b       removed   0 │ 811
//	  idle channels         c ─ d                  hold nothing; only their heads are remembered
//
// A channel always retains the newest part of its publications, without holes. One offset
// therefore describes the missing part: removed, the channel's offset before the first retained
// publication. A publication that cannot be retained (larger than the namespace's bytes)
// removes everything that its channel retained.
//
// # Limits
//
// A new publication first replaces its channel's oldest (count), then the namespace's oldest
// (bytes). The heads of a limited number of empty channels are remembered; above that, the
// channel idle for longest is forgotten. A reader that returns to a forgotten channel gets a
// gap, possibly wider than the real one, but never none.
//
// A channel without publications costs nothing, and reading its history does not change that.
//
// Times are durations from any fixed moment, on a clock that never goes back; earlier ones are
// negative.
//
// # Concurrency
//
// None: the owner of a Namespace or Repeats must guard it.
package history
