package store

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// files is the file system as Pebble sees it. Pebble ends the process when it cannot write
// its log, so no error of a write reaches it: the write waits, is tried again, and the broker
// is notified. What a failed sync left on the disk is unknown. After one, all writes wait
// for ever: see fence.
//
// It is safe for concurrent use.
type files struct {
	vfs.FS
	dir     string                 // whose names are known
	trouble func(err error)        // called for each failed try; it must not block
	direct  atomic.Bool            // while the store is opened: errors are returned
	waiting atomic.Int64           // writes that have failed and will be tried again
	syncing atomic.Int64           // commits in progress that wait for the disk
	fenced  atomic.Pointer[string] // why nothing may be written any more
	mu      sync.Mutex
	names   map[string]struct{} // files that Pebble has made or found
	logs    map[*file]struct{}  // the logs that are open for writing
}

const retryInterval = 50 * time.Millisecond

func newFiles(inner vfs.FS, dir string, trouble func(error)) *files {
	return &files{FS: inner, dir: dir, trouble: trouble, names: make(map[string]struct{}), logs: make(map[*file]struct{})}
}

// insist repeats a write until it succeeds. Pebble does not survive errors here: while it makes a
// new log, one would end the process.
func (f *files) insist(write func() error) error {
	for failed := false; ; {
		f.pass()
		err := write()
		if failed {
			f.waiting.Add(-1)
			failed = false
		}
		if err == nil || f.direct.Load() || expected(err) {
			return err
		}
		f.waiting.Add(1)
		failed = true
		f.trouble(err)
		time.Sleep(retryInterval)
	}
}

// expected reports whether an error is no fault of the disk.
func expected(err error) bool { return errors.Is(err, os.ErrClosed) }

// fence makes all further writes wait for ever, so that a store that can no longer be trusted
// does not change what the next process will find. The goroutines that wait are never freed.
func (f *files) fence(why string) { f.fenced.CompareAndSwap(nil, &why) }

// pass returns unless there is a fence.
func (f *files) pass() {
	if f.fenced.Load() != nil {
		select {}
	}
}

// synced is the outcome of a sync. One that failed is not repeated: the system may have
// dropped what it could not write and report success the next time.
func (f *files) synced(err error) error {
	if err == nil || f.direct.Load() || expected(err) {
		return err
	}
	f.fence("a sync failed: " + err.Error())
	f.trouble(err)
	f.pass()
	return err
}

func (f *files) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.made(name, category, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f *files) OpenReadWrite(name string, category vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.made(name, category, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, category, o...) })
}

func (f *files) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.forget(old)
	return f.made(name, category, func() (vfs.File, error) {
		if _, err := f.FS.Stat(old); err != nil { // renamed by an earlier try
			return f.FS.OpenReadWrite(name, category)
		}
		return f.FS.ReuseForWrite(old, name, category)
	})
}

// logCategory is that of files of Pebble's log.
const logCategory vfs.DiskWriteCategory = "pebble-wal"

func (f *files) made(name string, category vfs.DiskWriteCategory, open func() (vfs.File, error)) (vfs.File, error) {
	var inner vfs.File
	err := f.insist(func() (err error) {
		inner, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	made := &file{File: inner, fs: f, log: category == logCategory}
	f.mu.Lock()
	defer f.mu.Unlock()
	if made.log {
		f.logs[made] = struct{}{}
	}
	f.know(name)
	return made, nil
}

// know and forget are about the names in dir. The caller of know holds mu.
func (f *files) know(name string) {
	if f.PathDir(name) == f.dir {
		f.names[f.PathBase(name)] = struct{}{}
	}
}

func (f *files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.PathDir(name) == f.dir {
		delete(f.names, f.PathBase(name))
	}
}

func (f *files) Link(old, name string) error {
	return f.insist(func() error { return f.FS.Link(old, name) })
}

func (f *files) MkdirAll(dir string, perm os.FileMode) error {
	return f.insist(func() error { return f.FS.MkdirAll(dir, perm) })
}

// Remove returns the error that a file does not exist, which Pebble expects.
func (f *files) Remove(name string) error {
	f.forget(name)
	var missing error
	err := f.insist(func() error {
		err := f.FS.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			missing, err = err, nil
		}
		return err
	})
	return cmp.Or(err, missing)
}

func (f *files) RemoveAll(name string) error {
	f.forget(name)
	return f.insist(func() error { return f.FS.RemoveAll(name) })
}

func (f *files) Rename(old, name string) error {
	f.forget(old)
	err := f.insist(func() error { return f.FS.Rename(old, name) })
	if err == nil {
		f.mu.Lock()
		f.know(name)
		f.mu.Unlock()
	}
	return err
}

func (f *files) OpenDir(name string) (vfs.File, error) {
	inner, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{File: inner, fs: f}, nil
}

// Lock does nothing: DIR/lock is this package's, and can be taken where nothing can be
// written.
func (f *files) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (f *files) Unwrap() vfs.FS { return f.FS }

// known returns the names of the files that must exist.
func (f *files) known() map[string]struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]struct{}, len(f.names))
	for name := range f.names {
		all[name] = struct{}{}
	}
	return all
}

// missing returns a file that should exist and does not; empty if there is none.
func (f *files) missing() (string, error) {
	before := f.known()
	there, err := f.List(f.dir)
	if err != nil {
		return "", err
	}
	for _, name := range there {
		delete(before, name)
	}
	if len(before) == 0 {
		return "", nil
	}
	after := f.known() // it may have been removed in between
	for name := range before {
		if _, still := after[name]; still {
			return name, nil
		}
	}
	return "", nil
}
