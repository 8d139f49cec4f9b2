package store_test

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A frozen file system changes nothing while mu is locked.
type frozen struct {
	vfs.FS
	mu sync.RWMutex
}

func (f *frozen) thaw() func() {
	f.mu.RLock()
	return f.mu.RUnlock
}

func (f *frozen) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	defer f.thaw()()
	file, err := f.FS.Create(name, c)
	return f.wrap(file), err
}

func (f *frozen) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	defer f.thaw()()
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.wrap(file), err
}

func (f *frozen) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	defer f.thaw()()
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.wrap(file), err
}

func (f *frozen) Remove(name string) error {
	defer f.thaw()()
	return f.FS.Remove(name)
}

func (f *frozen) Rename(old, name string) error {
	defer f.thaw()()
	return f.FS.Rename(old, name)
}

func (f *frozen) wrap(file vfs.File) vfs.File {
	if file == nil {
		return nil
	}
	return &frozenFile{file, f}
}

type frozenFile struct {
	vfs.File
	fs *frozen
}

func (f *frozenFile) Write(b []byte) (int, error) {
	defer f.fs.thaw()()
	return f.File.Write(b)
}

func (f *frozenFile) WriteAt(b []byte, at int64) (int, error) {
	defer f.fs.thaw()()
	return f.File.WriteAt(b, at)
}
