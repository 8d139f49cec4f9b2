package store

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"maru.example/maru/internal/dirlock"
	"maru.example/maru/internal/history"
	"maru.example/maru/internal/machine"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A backup is all keys and values of the store at one moment:
//
//	"maru backup 1\n" · (length · key · length · value) … · 0 · number of keys · SHA-256 of it all
//
// Numbers are varints. It does not depend on Pebble's files.
const (
	backupMagic = "maru backup 1\n"
	backupRate  = 64 << 20 // bytes a second, so that publishing has the disk too
	backupPause = 1 << 20  // bytes between two looks at the rate
	maxRecord   = 80 << 20 // bytes of a key or a value
)

var errBackup = errors.New("it is not a whole backup of maru: it is cut or damaged")

// Backup implements maru.Archiver. The copy is consistent: it has what was stored when Backup
// began. It reads at most 64 MiB a second.
func (b *Broker) Backup(ctx context.Context, w io.Writer) error {
	if !b.count() {
		return errShuttingDown
	}
	defer b.writers.Done()
	b.opening.RLock()
	if b.db == nil {
		b.opening.RUnlock()
		return errNotAvailable
	}
	snapshot := b.db.NewSnapshot()
	b.opening.RUnlock()
	defer snapshot.Close()
	return writeBackup(ctx, b.ending, snapshot, w)
}

func writeBackup(ctx context.Context, ending <-chan struct{}, from pebble.Reader, w io.Writer) error {
	all, err := from.NewIter(nil)
	if err != nil {
		return err
	}
	defer all.Close()
	out := &summed{w: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
	out.Write([]byte(backupMagic))
	began, keys, paused := time.Now(), uint64(0), int64(0)
	for ok := all.First(); ok && out.err == nil; ok = all.Next() {
		value, err := all.ValueAndErr()
		if err != nil {
			return err
		}
		out.field(all.Key())
		out.field(value)
		keys++
		if out.n-paused < backupPause {
			continue
		}
		paused = out.n
		due := time.Duration(float64(out.n) / backupRate * float64(time.Second))
		select {
		case <-time.After(due - time.Since(began)):
		case <-ctx.Done():
			return ctx.Err()
		case <-ending:
			return errShuttingDown
		}
	}
	if err := all.Error(); err != nil {
		return err
	}
	out.Write([]byte{0})
	out.Write(binary.AppendUvarint(nil, keys))
	sum := out.sum.Sum(nil)
	out.Write(sum)
	return errors.Join(out.err, out.w.Flush())
}

// summed is a writer that knows the sum of what was written, and the first error.
type summed struct {
	w   *bufio.Writer
	sum hash.Hash
	n   int64
	err error
}

func (s *summed) Write(b []byte) (int, error) {
	if s.err == nil {
		s.sum.Write(b)
		s.n += int64(len(b))
		_, s.err = s.w.Write(b)
	}
	return len(b), s.err
}

func (s *summed) field(b []byte) {
	s.Write(binary.AppendUvarint(nil, uint64(len(b))))
	s.Write(b)
}

// readBackup calls each for every key of a backup. The error is errBackup if the check is
// wrong, which shows at the end only.
func readBackup(r io.Reader, each func(key, value []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	sum := sha256.New()
	magic, err := take(in, sum, uint64(len(backupMagic)))
	if err != nil || string(magic) != backupMagic {
		return errBackup
	}
	for keys := uint64(0); ; keys++ {
		key, err := takeField(in, sum)
		if err != nil {
			return err
		}
		if len(key) == 0 {
			return checkEnd(in, sum, keys)
		}
		value, err := takeField(in, sum)
		if err != nil {
			return err
		}
		if err := each(key, value); err != nil {
			return err
		}
	}
}

func checkEnd(in *bufio.Reader, sum hash.Hash, keys uint64) error {
	n, err := takeNumber(in, sum)
	if err != nil || n != keys {
		return errBackup
	}
	want := sum.Sum(nil)
	got := make([]byte, len(want)+1)
	if n, err := io.ReadFull(in, got); n != len(want) || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got[:n], want) {
		return errBackup
	}
	return nil
}

func takeNumber(in *bufio.Reader, sum hash.Hash) (uint64, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return 0, errBackup
	}
	sum.Write(binary.AppendUvarint(nil, n))
	return n, nil
}

func takeField(in *bufio.Reader, sum hash.Hash) ([]byte, error) {
	n, err := takeNumber(in, sum)
	if err != nil || n > maxRecord {
		return nil, errBackup
	}
	return take(in, sum, n)
}

// take reads n bytes. It believes a length only as far as there are bytes.
func take(in *bufio.Reader, sum hash.Hash, n uint64) ([]byte, error) {
	var b bytes.Buffer
	if got, err := io.CopyN(&b, in, int64(n)); err != nil || uint64(got) != n {
		return nil, errBackup
	}
	sum.Write(b.Bytes())
	return b.Bytes(), nil
}

// Restore makes a directory from a backup. The directory must be empty or not exist. All
// namespaces begin new epochs, since clients may have positions that are not in the backup.
// Nothing is left of a restore that fails.
func Restore(r io.Reader, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("%s is not empty; give a new directory", dir)
	}
	lock, err := dirlock.Take(dir)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	defer func() {
		if err != nil {
			for _, name := range []string{storeName, lastName, dirlock.Name} {
				os.RemoveAll(filepath.Join(dir, name))
			}
		}
	}()
	return restore(r, dir)
}

func restore(r io.Reader, dir string) error {
	o := Options{Dir: dir}.withDefaults()
	f := newFiles(vfs.Default, filepath.Join(dir, storeName), func(error) {})
	f.direct.Store(true)
	f.syncing.Add(1)
	log := &pebbleLog{log: o.Logger}
	log.loading.Store(true)
	db, err := openDB(f, dir, false, false, log)
	if err != nil {
		return err
	}
	defer closeDB(db)
	last, err := openLast(f, dir)
	if err != nil {
		return err
	}
	defer last.close()
	writes := db.NewBatch()
	err = readBackup(r, func(key, value []byte) error {
		value, err := renewed(key, value, last)
		if err != nil {
			return err
		}
		writes.Set(key, value, nil)
		if writes.Len() < 1<<20 {
			return nil
		}
		err = db.Apply(writes, pebble.NoSync)
		writes.Close()
		writes = db.NewBatch()
		return err
	})
	if err == nil {
		err = db.Apply(writes, pebble.Sync)
	}
	if err == nil {
		err = last.setHeader(header{boot: machine.BootID(), identity: identityOf(dir), clean: true})
	}
	if err == nil {
		err = last.sync()
	}
	return cmp.Or(err, log.err())
}

// renewed is the value of a key with a new epoch, if it has one, which goes to DIR/last too.
func renewed(key, value []byte, last *lastFile) ([]byte, error) {
	switch {
	case len(key) == 1 && key[0] == metaPrefix:
		m, err := parseMeta(value)
		if err != nil {
			return nil, err
		}
		m.epoch = history.NewEpoch()
		return m.append(), nil
	case len(key) == 5 && key[0] == recordPrefix:
		n, err := parseRecord(key, value)
		if err != nil {
			return nil, err
		}
		id := binary.BigEndian.Uint32(key[1:])
		if id != keptID {
			n.number, n.epoch = n.number+1, history.NewEpoch()
		}
		m := mark{name: n.name, epoch: n.epoch, sync: true, acked: n.number, pending: n.number}
		return n.append(nil, key), last.set(id, m)
	}
	return value, nil
}
