// Package disk keeps histories in a directory, so that they survive a restart. A program
// that does not import it does not link the store.
//
//	live, err := server.New(server.Options{Broker: disk.Dir("/var/lib/maru")})
//
// The histories are also held in memory and are answered from there; the directory is a log
// that is read at the start. It survives the end of the process, kill -9 included. With
// maru.Interval a loss of power costs at most the last seconds, and with maru.Sync nothing
// that was acknowledged. Where the log may have lost something, the epoch of the namespace
// changes, so that every subscriber that returns receives a gap.
//
// # Limits
//
// A directory belongs to one process at a time. It holds 1,000 namespaces; one more fails
// with CodeStorageFull. A publication has at most 63 MiB; a larger one fails with
// CodeTooLarge. The directory takes about twice the room of the retained publications.
//
// # A full disk
//
// While the directory cannot be written, publications fail with CodeStorageFull or
// CodeUnavailable, and histories are still answered. The broker tries again every few
// seconds. It is a maru.HealthReporter, which says so, and a maru.HeldReporter.
//
// # Concurrency
//
// The broker's methods are safe for concurrent use.
package disk

import (
	"maru.example/maru"
	"maru.example/maru/internal/broker/jetstream"
)

// Dir returns a function that opens the broker of a directory. The directory is made if it
// does not exist, readable for its owner only. Opening reads all of it, which may take
// seconds. It fails if the directory is in use by another process, cannot be written, or
// holds damaged files; the error names the directory and the reason.
//
// Retention.Durability decides how a namespace is written: maru.Sync writes each publication
// to the disk before it is acknowledged, everything else does so every second.
func Dir(path string) maru.OpenBroker {
	return func(o maru.BrokerOptions) (maru.Broker, error) {
		b, err := jetstream.Open(jetstream.Options{BrokerOptions: o, Dir: path})
		if err != nil {
			return nil, err // and not a *jetstream.Broker that is nil
		}
		return b, nil
	}
}
