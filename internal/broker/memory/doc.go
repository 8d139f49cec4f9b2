// Package memory is the broker that keeps history in this process's memory: a
// maru.Broker of one node, without a disk, without a goroutine.
//
// A namespace is one mutex, one number and one order: a history.Namespace and who may
// touch it.
//
//	Submit ─→ lock the namespace ─→ repeats ─→ history ─→ Sink ─→ done
//
// # Limits
//
// They are package history's. Age counts on the monotonic clock: setting
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
