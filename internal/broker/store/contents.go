package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Contents receives what a store has, for another kind of store. An error of a function ends the reading.
type Contents struct {
	// Namespaces is called first, with the names of all namespaces; "" is the pool of those that were
	// not listed.
	Namespaces func(names []string) error
	// Publication is called for what is retained: namespace by namespace, in the order of offsets.
	// version is the one that it was published with.
	Publication func(channel string, p *maru.Publication, version uint64) error
	// Record is called for the records of maru.Keeper that have not reached their time.
	Record func(kind, key string, value []byte, until time.Time) error
}

// Skipped is what ReadContents could not read.
type Skipped struct{ Publications, Records int }

// ReadContents reads a directory that no process uses, or a backup, and changes nothing. What is damaged
// is left out and counted. The error is that the source cannot be read at all, or that of a function.
func ReadContents(ctx context.Context, source string, to Contents) (Skipped, error) {
	info, err := os.Stat(source)
	if err != nil {
		return Skipped{}, err
	}
	c := contentsReader{Contents: to, heads: make(map[string]head), names: make(map[uint32]record), now: time.Now()}
	each := func(key, value []byte) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		return c.read(key, value)
	}
	if info.IsDir() {
		err = c.readDir(source, each)
	} else {
		err = c.readFile(source, each)
	}
	if err == nil {
		err = c.begin() // nothing was published
	}
	return c.skipped, err
}

// contentsReader sorts out keys, which come in their order: heads, records of namespaces, publications,
// records of the Keeper.
type contentsReader struct {
	Contents
	heads   map[string]head // by headKey
	names   map[uint32]record
	begun   bool
	now     time.Time
	skipped Skipped
}

func (c *contentsReader) readFile(path string, each func(key, value []byte) error) error {
	// Nothing may be passed on of a backup that is cut: its check is at the end.
	for _, use := range []func(key, value []byte) error{func(_, _ []byte) error { return nil }, each} {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		err = readBackup(file, use)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (c *contentsReader) readDir(dir string, each func(key, value []byte) error) error {
	if _, err := os.Stat(filepath.Join(dir, storeName)); err != nil {
		return fmt.Errorf("%s has no history of maru", dir)
	}
	lock, err := dirlock.Take(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	f := newFiles(vfs.Default, filepath.Join(dir, storeName), func(error) {})
	f.direct.Store(true)
	log := &pebbleLog{log: slog.New(slog.DiscardHandler)}
	log.loading.Store(true)
	db, err := openDB(f, dir, true, true, log)
	if err != nil {
		return err
	}
	defer closeDB(db)
	all, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	defer all.Close()
	for ok := all.First(); ok; ok = all.Next() {
		value, err := all.ValueAndErr()
		if err != nil {
			return err
		}
		if err := each(all.Key(), value); err != nil {
			return err
		}
	}
	return all.Error()
}

func (c *contentsReader) read(key, value []byte) error {
	if len(key) == 0 {
		return nil
	}
	switch key[0] {
	case headPrefix:
		if h, err := parseHead(key, value); err == nil {
			c.heads[string(key)] = h
		}
	case recordPrefix:
		if n, err := parseRecord(key, value); err == nil && len(key) == 5 && binary.BigEndian.Uint32(key[1:]) != keptID {
			c.names[binary.BigEndian.Uint32(key[1:])] = n
		}
	case entryPrefix:
		return c.readEntry(key, value)
	case keptPrefix:
		return c.readKept(key, value)
	}
	return nil
}

// begin calls Namespaces, once.
func (c *contentsReader) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	var names []string
	for _, n := range c.names {
		names = append(names, n.name)
	}
	return c.Namespaces(names)
}

// readEntry passes a publication on, unless it was removed: what is removed is not deleted at once.
func (c *contentsReader) readEntry(key, value []byte) error {
	if err := c.begin(); err != nil {
		return err
	}
	offset, ok := offsetOf(key)
	if !ok {
		return nil
	}
	id := binary.BigEndian.Uint32(key[1:])
	e, err := parseEnvelope(key, append([]byte(nil), value...))
	if err != nil {
		c.skipped.Publications++
		return nil
	}
	h, known := c.heads[string(headKey(nil, id, e.channel))]
	if n, listed := c.names[id]; !listed || offset < n.first || known && offset <= h.removed {
		return nil
	}
	return c.Publication(e.channel, e.publication, e.version)
}

func (c *contentsReader) readKept(key, value []byte) error {
	if err := c.begin(); err != nil {
		return err
	}
	kind, name, ok := strings.Cut(string(key[1:]), "\x00")
	v, until, err := parseKept(key, value)
	if err != nil || !ok {
		c.skipped.Records++
		return nil
	}
	if !until.After(c.now) {
		return nil
	}
	return c.Record(kind, name, append([]byte(nil), v...), until)
}
