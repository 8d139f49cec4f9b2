package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"
	"maru.example/maru/internal/machine"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Report is what Verify found in a directory.
type Report struct {
	Findings     []Finding
	Namespaces   int
	Channels     int // that retain something, or have a head
	Publications int
	Bytes        int64 // what these count towards Retention.Bytes
}

// Verify reads a directory that no process uses, as a start does, and changes nothing. The
// error is that it cannot be read at all, because it is in use, does not exist, or is no
// directory of maru.
func Verify(dir string) (Report, error) {
	if _, err := os.Stat(filepath.Join(dir, storeName)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, lastName)); err != nil {
			return Report{}, fmt.Errorf("%s has no history of maru", dir)
		}
	}
	if err := checkLayout(dir); err != nil {
		return Report{}, err
	}
	lock, err := dirlock.Take(dir)
	if err != nil {
		return Report{}, err
	}
	defer lock.Unlock()
	l, err := readLast(vfs.Default, dir)
	if err != nil {
		return Report{}, err
	}
	found, err := verify(dir, l)
	if err != nil {
		return Report{Findings: []Finding{{What: fmt.Sprintf("the store cannot be read in full, so the next start will move it aside and copy what can be read: %v", err)}}}, nil
	}
	r := Report{Findings: found.findings, Namespaces: len(found.namespaces)}
	for _, ns := range found.namespaces {
		r.Channels += int(ns.heads.count)
		r.Publications += ns.index.order.length()
		r.Bytes += ns.index.bytes
	}
	return r, nil
}

func verify(dir string, l ledger) (*found, error) {
	f := newFiles(vfs.Default, filepath.Join(dir, storeName), func(error) {})
	f.direct.Store(true)
	log := &pebbleLog{log: slog.New(slog.DiscardHandler)}
	log.loading.Store(true)
	db, err := openDB(f, dir, true, true, log)
	if err != nil {
		return nil, err
	}
	defer closeDB(db)
	if err := checkTables(vfs.Default, f.dir, db); err != nil {
		return nil, err
	}
	start := time.Now()
	x := examiner{
		db: db, ledger: l, boot: machine.BootID(), identity: identityOf(dir),
		retention: func(string) maru.Retention {
			return maru.Retention{Publications: math.MaxInt, Age: math.MaxInt64, Bytes: math.MaxInt64}
		},
		when: func(t time.Time) time.Duration { return min(0, t.Sub(start)) }, now: start,
	}
	return x.examine()
}
