package store

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A file is a file that Pebble writes. Pebble syncs its log for every commit here, since
// that is how it says that the bytes have reached the system. Whether the disk must have
// them too is decided in Sync: yes if a commit is in progress that waits for the disk;
// otherwise the broker does it once a second.
type file struct {
	vfs.File
	fs  *files
	log bool

	dirty   atomic.Bool // of a log: there are bytes that the disk may not have
	syncing sync.Mutex  // held while a log is synced or closed
	shut    bool
}

func (f *file) Write(b []byte) (int, error) {
	f.soil()
	done := 0
	err := f.fs.insist(func() error {
		n, err := f.File.Write(b[done:])
		done += n // of a write that had room for a part only
		return err
	})
	return done, err
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.soil()
	err := f.fs.insist(func() error {
		_, err := f.File.WriteAt(b, at)
		return err
	})
	return len(b), err
}

func (f *file) soil() {
	if f.log {
		f.dirty.Store(true)
	}
}

// Preallocate is help that can fail: it is not insisted on.
func (f *file) Preallocate(offset, length int64) error {
	f.fs.pass()
	if err := f.File.Preallocate(offset, length); err != nil && f.fs.direct.Load() {
		return err
	}
	return nil
}

func (f *file) Sync() error { return f.sync(f.File.Sync) }

func (f *file) SyncData() error { return f.sync(f.File.SyncData) }

func (f *file) SyncTo(length int64) (bool, error) {
	if f.log && f.fs.syncing.Load() == 0 {
		return false, nil
	}
	full, err := f.File.SyncTo(length)
	return full, f.fs.synced(err)
}

func (f *file) sync(sync func() error) error {
	f.fs.pass()
	if f.log && f.fs.syncing.Load() == 0 {
		return nil
	}
	if !f.log {
		return f.fs.synced(sync())
	}
	return f.flush(sync)
}

// flush syncs a log, if that is not done. It waits for a sync in progress, which may be the one
// that the caller needs.
func (f *file) flush(sync func() error) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.shut || !f.dirty.Swap(false) {
		return nil
	}
	return f.fs.synced(sync())
}

// Close syncs a log first: Pebble goes on in the next one, and takes an end that is missing
// for damage if there is a later log.
func (f *file) Close() error {
	f.fs.pass()
	if !f.log {
		return f.File.Close()
	}
	err := f.flush(f.File.SyncData)
	f.fs.mu.Lock()
	delete(f.fs.logs, f)
	f.fs.mu.Unlock()
	f.syncing.Lock()
	defer f.syncing.Unlock()
	f.shut = true
	return errors.Join(err, f.File.Close())
}

// flush syncs the logs that have changed.
func (f *files) flush() {
	f.mu.Lock()
	var logs []*file
	for log := range f.logs {
		logs = append(logs, log)
	}
	f.mu.Unlock()
	for _, log := range logs {
		log.flush(log.File.SyncData)
	}
}
