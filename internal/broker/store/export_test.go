package store

import (
	"context"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Flush makes tables of what is in the log only, and Compact merges them.
func (b *Broker) Flush() error { return b.db.Flush() }

func (b *Broker) Compact() error {
	return b.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false)
}

// LoseRecord removes the record of a namespace.
func (b *Broker) LoseRecord(name string) error {
	return b.db.Delete(recordKey(b.namespaces[name].id), nil)
}

// On runs the broker on another file system.
func (o Options) On(fs vfs.FS) Options { o.fs = fs; return o }

// As says which identity the directory has.
func (o Options) As(identity string) Options {
	o.identity = func(string) string { return identity }
	return o
}
