package store_test

import (
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A faulty file system changes nothing while mu is locked, and fails as its fields say.
type faulty struct {
	vfs.FS
	mu     sync.RWMutex
	writes atomic.Pointer[error] // what writes fail with
	syncs  atomic.Pointer[error] // what syncs fail with
}

func (f *faulty) fail(err error) { f.writes.Store(&err) }

func (f *faulty) heal() { f.writes.Store(nil) }

func (f *faulty) change(change func() error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if err := f.writes.Load(); err != nil {
		return *err
	}
	return change()
}

func (f *faulty) made(open func() (vfs.File, error)) (file vfs.File, err error) {
	err = f.change(func() (err error) {
		file, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &faultyFile{file, f}, nil
}

func (f *faulty) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.made(func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *faulty) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.made(func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

func (f *faulty) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.made(func() (vfs.File, error) { return f.FS.ReuseForWrite(old, name, c) })
}

func (f *faulty) Remove(name string) error {
	return f.change(func() error { return f.FS.Remove(name) })
}

func (f *faulty) Rename(old, name string) error {
	return f.change(func() error { return f.FS.Rename(old, name) })
}

type faultyFile struct {
	vfs.File
	fs *faulty
}

func (f *faultyFile) Write(b []byte) (n int, err error) {
	err = f.fs.change(func() (err error) {
		n, err = f.File.Write(b)
		return err
	})
	return n, err
}

func (f *faultyFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.fs.change(func() (err error) {
		n, err = f.File.WriteAt(b, at)
		return err
	})
	return n, err
}

func (f *faultyFile) Sync() error {
	if err := f.fs.syncs.Load(); err != nil {
		return *err
	}
	return f.File.Sync()
}

func (f *faultyFile) SyncData() error {
	if err := f.fs.syncs.Load(); err != nil {
		return *err
	}
	return f.File.SyncData()
}
