package store

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

const (
	storeName = "store" // the directory of Pebble in DIR

	memTableBytes   = 16 << 20
	blockCacheBytes = 16 << 20
	openTables      = 12 // tables that are open at once
	deletionDelay   = 10 * time.Second
)

// openDB opens the Pebble of a directory. A panic of Pebble about what it finds there is an
// error.
func openDB(f *files, dir string, readOnly, mustExist bool, log *pebbleLog) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%v: %w", r, errDamaged)
		}
	}()
	f.direct.Store(true)
	defer f.direct.Store(false)
	tables := pebble.NewFileCache(1, openTables)
	defer tables.Unref()
	blocks := pebble.NewCache(blockCacheBytes)
	defer blocks.Unref()
	o := &pebble.Options{
		FS:                 f,
		FormatMajorVersion: pebble.FormatNewest,
		ReadOnly:           readOnly,
		ErrorIfNotExists:   mustExist,
		Cache:              blocks,
		FileCache:          tables,
		MemTableSize:       memTableBytes,
		// Space of deleted publications is freed without a write.
		FlushDelayDeleteRange: deletionDelay,
		Logger:                log,
		EventListener:         log.events(),
	}
	for i := range o.Levels {
		// Zstandard would be C where the program is built with cgo, and another library where
		// it is not. Channels without a head and new idempotency keys are looked up most.
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	log.opening.Store(true)
	defer log.opening.Store(false)
	return pebble.Open(filepath.Join(dir, storeName), o)
}

// pebbleLog is Pebble's logger. Pebble expects that Fatalf ends the process.
type pebbleLog struct {
	log     *slog.Logger
	opening atomic.Bool
	broken  func(why string) // the store can no longer be used
}

func (l *pebbleLog) Infof(string, ...any) {}

func (l *pebbleLog) Errorf(format string, v ...any) {
	l.log.Debug("the store reports an error", "err", fmt.Sprintf(format, v...))
}

// Fatalf lets Pebble go on, behind a fence: nothing that it does from now on is written.
func (l *pebbleLog) Fatalf(format string, v ...any) {
	why := fmt.Sprintf(format, v...)
	if l.opening.Load() {
		panic(why)
	}
	l.broken(why)
}

func (l *pebbleLog) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if !l.opening.Load() {
				l.log.Error("the store of the history reports an error", "err", err)
				if pebble.IsCorruptionError(err) {
					l.broken(err.Error())
				}
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			if !l.opening.Load() {
				l.log.Error("a table of the history is damaged", "file", info.Path, "err", info.Details)
			}
		},
	}
}
