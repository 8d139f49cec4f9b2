// Package disk keeps histories in a directory, so that they survive a restart. A program
// that does not import it does not link the store.
//
//	live, err := server.New(server.Options{Broker: disk.Dir("/var/lib/maru")})
//
// A publication is acknowledged when it survives the end of the process, kill -9 included. With
// maru.Interval a loss of power costs at most the last seconds, and with maru.Sync nothing
// that was acknowledged. Damage does not stop a start. What can be read is kept; where
// something is missing, subscribers that return receive a gap: in the channels that are
// concerned, or, if these cannot be known, in the namespace, which then begins a new epoch.
// The log says what and where.
//
// # Limits
//
// A directory belongs to one process at a time. A publication has at most 63 MiB; a larger one
// fails with CodeTooLarge. Memory holds some 56 bytes for each retained publication, and a cache
// of 32 MiB of those that were used last. The directory takes about twice as much room as
// what is retained, 64 MiB for the log, and 32 MiB that are given up when the disk is full.
//
// # A full disk
//
// While the directory cannot be written, publications fail with CodeStorageFull or
// CodeUnavailable, and histories are still answered. The broker tries again every second. This
// holds at the start too, for a directory that has a history. If the directory is removed
// while it is in use, publications fail with CodeUnavailable until the next start. The broker
// is a maru.HealthReporter, which says so, a maru.HeldReporter, and a maru.BatchKeeper.
//
// # Concurrency
//
// The broker's methods are safe for concurrent use.
package disk

import (
	"context"
	"io"

	"maru.example/maru"
	"maru.example/maru/internal/broker/store"
)

// Dir returns a function that opens the broker of a directory. The directory is made if it
// does not exist, readable for its owner only. Opening reads all of it, which may take
// seconds. It fails if the directory is in use by another process, cannot be made, or was
// written by another version of maru; the error names the directory and the reason.
//
// Retention.Durability decides how a namespace is written: maru.Sync writes each publication
// to the disk before it is acknowledged, everything else does so every second.
func Dir(path string) maru.OpenBroker {
	return func(o maru.BrokerOptions) (maru.Broker, error) {
		b, err := store.Open(store.Options{BrokerOptions: o, Dir: path})
		if err != nil {
			return nil, err // and not a *store.Broker that is nil
		}
		return b, nil
	}
}

// A Report is what Verify found; a Finding is one thing that is wrong.
type (
	Report  = store.Report
	Finding = store.Finding
)

// Verify reads the history in a directory that no process uses, compares it as a start does,
// and changes nothing. The error is that there is nothing to read: the directory is in use,
// does not exist, or has no history of this version of maru. Damage is no error: see
// Report.Findings.
func Verify(path string) (Report, error) { return store.Verify(path) }

// Restore makes a directory from a backup: see maru.Archiver. The directory must be empty or
// not exist. All namespaces begin new epochs, so that subscribers that return receive a gap.
// A backup that is cut or changed is an error, and then nothing is left in the directory.
func Restore(backup io.Reader, path string) error { return store.Restore(backup, path) }

// Contents receives what a directory or a backup has; Skipped is what could not be read of it.
type (
	Contents = store.Contents
	Skipped  = store.Skipped
)

// Read reads a directory that no process uses, or a backup, for another kind of store, and changes nothing.
// What is damaged is left out and counted; Verify names it. The error is that the source cannot be read at
// all, ctx's cause, or that of a function of to, which ends the reading.
func Read(ctx context.Context, source string, to Contents) (Skipped, error) {
	return store.ReadContents(ctx, source, to)
}
