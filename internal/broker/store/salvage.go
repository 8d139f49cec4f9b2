package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// salvage replaces a damaged store by a new one. The damaged one is moved aside, under a name
// that the log gives, and what can be read of it is copied: see view. What is missing then
// shows when the new one is read, as it would in any other.
func (b *Broker) salvage(cause error) error {
	dir := filepath.Join(b.options.Dir, storeName)
	aside := b.aside()
	b.options.Logger.Error("the store of the history is damaged: it is moved aside, and what can be read is copied to a new one",
		slog.String("dir", b.options.Dir), slog.String("damaged", aside), slog.Any("err", cause))
	if err := os.Rename(dir, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	b.files = newFiles(b.options.fs, dir, b.trouble)
	b.files.direct.Store(true)
	b.log = b.newLog() // what the damaged one still reports is of no interest
	db, err := openDB(b.files, b.options.Dir, false, false, b.log)
	if err != nil {
		return err
	}
	b.db = db
	if err := copyReadable(newView(b.options.fs, aside, b.log.log), db); err != nil {
		b.options.Logger.Error("nothing of the damaged store can be read any more", slog.String("damaged", aside), slog.Any("err", err))
	}
	return db.Flush()
}

// aside is a path for a damaged store.
func (b *Broker) aside() string {
	name := filepath.Join(b.options.Dir, "damaged-"+time.Now().UTC().Format("20060102T150405"))
	for i, path := 2, name; ; i++ {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path
		}
		path = fmt.Sprintf("%s-%d", name, i)
	}
}

// openView opens a damaged store for reading. A table that cannot be read at all is taken for
// an empty one, so that it does not hide what others have for the same keys.
func openView(v *view) (db *pebble.DB, err error) {
	for {
		if db, err = v.open(); err != nil {
			return nil, err
		}
		bad, err := v.unreadable(db)
		if err != nil || len(bad) == 0 {
			return db, err
		}
		closeDB(db)
		for _, name := range bad {
			v.log.Error("a table of the history cannot be read", slog.String("file", filepath.Join(v.dir, name)))
			v.empty[name] = true
		}
	}
}

func (v *view) open() (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%v: %w", r, errDamaged)
		}
	}()
	log := &pebbleLog{log: slog.New(slog.DiscardHandler), broken: func(string) {}}
	return pebble.Open(v.dir, &pebble.Options{
		FS: v, ReadOnly: true, ErrorIfNotExists: true, DisableConsistencyCheck: true,
		FormatMajorVersion: pebble.FormatNewest, Logger: log, EventListener: &pebble.EventListener{},
	})
}

// unreadable returns the tables that cannot be opened, and are not taken for empty yet.
func (v *view) unreadable(db *pebble.DB) (bad []string, err error) {
	sizes, err := tablesOf(db)
	for name, size := range sizes {
		path := v.PathJoin(v.dir, name)
		if info, err := v.FS.Stat(path); err == nil && info.Size() > size {
			v.ends[name] = size // something was appended
		}
		if !v.empty[name] && checkTable(v, path, false) != nil {
			bad = append(bad, name)
		}
	}
	return bad, err
}

// tablesOf returns the sizes of the tables of a store, by their names.
func tablesOf(db *pebble.DB) (map[string]int64, error) {
	sizes := make(map[string]int64)
	levels, err := db.SSTables()
	for _, tables := range levels {
		for _, t := range tables {
			if !t.Virtual {
				sizes[fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum))] = int64(t.Size)
			}
		}
	}
	return sizes, err
}

// checkTables reads all tables of a store, also what is deleted in them and would only be read
// when they are merged.
func checkTables(fs vfs.FS, dir string, db *pebble.DB) error {
	names, err := tablesOf(db)
	for name := range names {
		if err := checkTable(fs, fs.PathJoin(dir, name), true); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return err
}

// readerOptions are those of reading a table outside a store.
func readerOptions() sstable.ReaderOptions {
	o := &pebble.Options{}
	o.EnsureDefaults()
	return o.MakeReaderOptions()
}

// checkTable opens a table, which reads all of it that is not data, and with data also that.
func checkTable(fs vfs.FS, path string, data bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: %w", r, errDamaged)
		}
	}()
	file, err := fs.Open(path)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		file.Close()
		return err
	}
	table, err := sstable.NewReader(context.Background(), readable, readerOptions())
	if err != nil {
		readable.Close()
		return err
	}
	defer table.Close()
	deletions, err := table.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil {
		return err
	}
	if deletions != nil {
		deletions.Close()
	}
	if data {
		return table.ValidateBlockChecksums()
	}
	_, err = table.Layout() // which reads the blocks of the index
	return err
}

// copyReadable copies all keys that can be read.
func copyReadable(v *view, to *pebble.DB) error {
	from, err := openView(v)
	if err != nil {
		return err
	}
	defer closeDB(from)
	writes := to.NewBatch()
	commit := func(least int) error {
		if writes.Len() < least {
			return nil
		}
		err := to.Apply(writes, pebble.NoSync)
		writes.Close()
		writes = to.NewBatch()
		return err
	}
	end := []byte{0xff}
	for next := []byte{0}; next != nil; {
		stopped, err := copyRange(from, next, func(key, value []byte) error {
			writes.Set(key, value, nil)
			return commit(1 << 20)
		})
		if err != nil {
			return err
		}
		next = nil
		if stopped != nil {
			next = readableAfter(from, stopped, end)
		}
	}
	if err := commit(1); err != nil {
		return err
	}
	for _, batch := range v.rest {
		b := to.NewBatch()
		if b.SetRepr(batch) == nil && !b.Empty() {
			if err := to.Apply(b, pebble.NoSync); err != nil {
				return err
			}
		}
		b.Close()
	}
	return nil
}

// copyRange copies from a key on. It returns the key after the last one that could be read, if
// something cannot be.
func copyRange(db *pebble.DB, from []byte, put func(key, value []byte) error) (stopped []byte, err error) {
	defer func() {
		if r := recover(); r != nil && stopped == nil {
			stopped = append(bytes.Clone(from), 0)
		}
	}()
	stopped = bytes.Clone(from)
	all, err := db.NewIter(&pebble.IterOptions{LowerBound: from})
	if err != nil {
		return stopped, nil
	}
	defer all.Close()
	for ok := all.First(); ok; ok = all.Next() {
		value, failed := all.ValueAndErr()
		stopped = append(append(stopped[:0], all.Key()...), 0)
		if failed != nil {
			return stopped, nil
		}
		if err := put(all.Key(), value); err != nil {
			return nil, err
		}
	}
	if all.Error() == nil {
		return nil, nil
	}
	return stopped, nil
}

// readableAfter returns the lowest key above one that cannot be read, from which on reading
// succeeds, or nil. Keys are compared as numbers of their first bytes: a block that is damaged
// spans a range of them.
func readableAfter(db *pebble.DB, low, high []byte) []byte {
	const digits = 40
	pad := func(key []byte) []byte {
		return append(bytes.Clone(key[:min(len(key), digits)]), make([]byte, max(0, digits-len(key)))...)
	}
	a, b := pad(low), pad(high)
	if !readableAt(db, b) {
		return nil
	}
	for range 8 * digits {
		middle := between(a, b)
		if bytes.Equal(middle, a) {
			break
		}
		if readableAt(db, middle) {
			b = middle
		} else {
			a = middle
		}
	}
	if bytes.Compare(b, high) >= 0 {
		return nil
	}
	return b
}

// between is the middle of two numbers of the same length, rounded down.
func between(a, b []byte) []byte {
	sum, carry := make([]byte, len(a)), 0
	for i := len(a) - 1; i >= 0; i-- {
		carry += int(a[i]) + int(b[i])
		sum[i] = byte(carry)
		carry >>= 8
	}
	for i := range sum {
		digit := int(sum[i]) + carry<<8
		sum[i] = byte(digit / 2)
		carry = digit % 2
	}
	return sum
}

func readableAt(db *pebble.DB, key []byte) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			ok = false
		}
	}()
	all, err := db.NewIter(nil)
	if err != nil {
		return false
	}
	defer all.Close()
	if all.SeekGE(key) {
		_, err := all.ValueAndErr()
		return err == nil
	}
	return all.Error() == nil
}
