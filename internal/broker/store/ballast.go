package store

import (
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The ballast is room on the disk that is given up when there is no other, so that the commits
// in progress can end while further ones are refused.
const (
	ballastName = "ballast"
	probeName   = "probe"
	probeBytes  = 1 << 20
)

// makeBallast makes the ballast if it is not there. It is help that can fail.
func (b *Broker) makeBallast() {
	path := filepath.Join(b.options.Dir, ballastName)
	if _, err := b.options.fs.Stat(path); err == nil || b.options.BallastBytes < 0 {
		return
	}
	size := b.options.BallastBytes
	if usage, err := b.options.fs.GetDiskUsage(b.options.Dir); err == nil {
		size = min(size, int64(usage.AvailBytes/8))
	}
	file, err := b.options.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	err = file.Preallocate(0, size)
	file.Close()
	if err != nil {
		b.freeBallast()
	}
}

func (b *Broker) freeBallast() { b.options.fs.Remove(filepath.Join(b.options.Dir, ballastName)) }

// probe returns nil if a file can be written to the directory.
func probe(fs vfs.FS, dir string) error {
	path := filepath.Join(dir, probeName)
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, probeBytes))
	if err == nil {
		err = file.Sync()
	}
	file.Close()
	fs.Remove(path)
	return err
}
