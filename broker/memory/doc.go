// Package memory is the broker that keeps history in the memory of this process: a
// maru.Broker of one node, without disk. A server whose
// server.Options.Broker is nil uses it with its default Options.
//
//	b := memory.New(memory.Options{Sink: deliver})
//	at, err := maru.Publish(ctx, b, "chat", &maru.Publication{Data: []byte("hi")}, maru.PublishOptions{})
//	h, err := b.History(ctx, "chat", maru.HistoryQuery{Limit: 10})
//
// A program can also build its own broker around it, one that copies each publication
// elsewhere for instance: see the example of package brokertest.
//
// A namespace is one mutex, one number and one order:
//
//	Submit ─→ lock the namespace ─→ repeats ─→ history ─→ Sink ─→ done
//
// # Limits
//
// Retention limits what each namespace keeps. A new publication first replaces the oldest
// of its channel (count), then the oldest of its namespace (bytes). A publication counts
// its data, key, event and user and the name of its channel, and 256 bytes more.
//
// Age counts on the monotonic clock: setting the system's clock neither expires nor
// keeps anything. Publication.Time is the system's clock in UTC, so it can step back when
// that clock is set back; only offsets give the order.
//
// # When memory is freed
//
// A timer removes what is too old, although nobody asks, within a second of its time.
// Channels that retain nothing are remembered for their heads and versions, at most
// EmptyChannels; then the one that was published to first is forgotten. A subscriber that
// returns to a forgotten channel receives a gap, which may be wider than what is missing,
// and never receives none where something is missing.
//
// Namespaces that are not listed (Options.Listed) share one pool: one number, one limit of
// bytes. So clients that invent names take nothing from a namespace that is listed.
//
// A channel without publications costs nothing, and asking for its history does not
// change that.
//
// # Epoch
//
// Each Broker has a new random epoch, which all its namespaces share: positions
// are compared within one namespace only.
//
// # Concurrency
//
// All methods are safe for concurrent use. Lock order: Broker.mu, then
// namespace.mu, then that of the pool. The Sink is called under namespace.mu; publishers to different
// namespaces do not wait for each other.
//
// # What it does not do
//
// It does not survive a restart, carry publications to other nodes, or check
// channel names (maru.CheckChannel does).
package memory
