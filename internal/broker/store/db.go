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
	db, err = pebble.Open(filepath.Join(dir, storeName), o)
	if err == nil {
		if err = log.err(); err != nil {
			closeDB(db)
			db = nil
		}
	}
	return db, err
}

// pebbleLog is Pebble's logger, and receives its events.
type pebbleLog struct {
	log     *slog.Logger
	broken  func(why string) // the store can no longer be used
	loading atomic.Bool      // broken is not called, and err has the reason
	why     atomic.Pointer[string]
}

func (l *pebbleLog) Infof(string, ...any) {}

func (l *pebbleLog) Errorf(format string, v ...any) {
	l.log.Debug("the store reports an error", slog.Any("err", fmt.Errorf(format, v...)))
}

// Fatalf is called before what would be the end of the process. Pebble goes on instead,
// behind a fence: nothing that it does from now on is written.
func (l *pebbleLog) Fatalf(format string, v ...any) { l.fail(fmt.Sprintf(format, v...)) }

func (l *pebbleLog) fail(why string) {
	if l.loading.Load() {
		l.why.CompareAndSwap(nil, &why)
		return
	}
	l.broken(why)
}

// err is the first failure while the store was loaded, and forgets it.
func (l *pebbleLog) err() error {
	if why := l.why.Swap(nil); why != nil {
		return fmt.Errorf("%s: %w", *why, errDamaged)
	}
	return nil
}

func (l *pebbleLog) events() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if pebble.IsCorruptionError(err) {
				l.fail(err.Error())
			} else if !l.loading.Load() {
				l.log.Error("the store of the history reports an error", slog.Any("err", err))
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) { l.fail(fmt.Sprintf("%s: %v", info.Path, info.Details)) },
	}
}
