package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"
	"maru.example/maru/internal/history"
	"maru.example/maru/internal/machine"

	"github.com/cockroachdb/pebble/v2"
)

// keptID is the id under which the number of the Keeper's records is kept.
const keptID = 0

// Open reads the directory and locks it against other processes until Close. The error
// names the directory and the reason. Damage is no error: what can be read is kept, and what
// is missing is logged. A directory with a history that cannot be written at the moment is
// opened for reading, and publications fail until it can.
func Open(o Options) (*Broker, error) {
	o = o.withDefaults()
	b := &Broker{
		options: o, start: time.Now(), cache: newCache(o.CacheBytes),
		namespaces: make(map[string]*namespace), closing: make(chan struct{}), ending: make(chan struct{}),
	}
	b.changed = make(chan struct{}, 1)
	b.log = b.newLog()
	if err := b.prepare(); err != nil {
		return nil, fmt.Errorf("history in %s: %w", o.Dir, err)
	}
	b.tending.Go(b.tend)
	return b, nil
}

// newLog makes the log of a Pebble that is about to be opened.
func (b *Broker) newLog() *pebbleLog {
	l := &pebbleLog{log: b.options.Logger, broken: b.broken}
	l.loading.Store(true)
	return l
}

func (b *Broker) prepare() error {
	if err := os.MkdirAll(b.options.Dir, 0o700); err != nil {
		return err
	}
	if err := checkLayout(b.options.Dir); err != nil {
		return err
	}
	lock, err := dirlock.Take(b.options.Dir)
	if err != nil {
		return err
	}
	b.lock = lock
	if err := b.load(); err != nil {
		b.lock.Unlock()
		return err
	}
	return nil
}

// checkLayout refuses the directory of an early maru, whose store was another one.
func checkLayout(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "record.json")); err == nil {
		if _, err := os.Stat(filepath.Join(dir, storeName)); errors.Is(err, fs.ErrNotExist) {
			return errors.New("it was written by an early version of maru, which this one cannot read; move it away or use another directory")
		}
	}
	return nil
}

// load opens the store and makes the namespaces.
func (b *Broker) load() error {
	b.log.loading.Store(true)
	defer func() { b.log.loading.Store(false) }()
	ledger, err := readLast(b.options.fs, b.options.Dir)
	if err != nil {
		return err
	}
	exists := b.exists()
	cause := probe(b.options.fs, b.options.Dir)
	if cause != nil && !exists && !ledger.there {
		return cause
	}
	b.files = newFiles(b.options.fs, filepath.Join(b.options.Dir, storeName), b.trouble)
	b.files.direct.Store(true)
	defer func() { b.files.direct.Store(false) }()
	var found *found
	if cause == nil {
		found, err = b.openStore(ledger, exists)
		if err != nil && environmental(err) {
			cause = err
		} else if err != nil {
			return err
		}
	}
	if cause != nil {
		return b.openForReading(ledger, cause)
	}
	return b.use(found, ledger)
}

// exists reports whether there is a store.
func (b *Broker) exists() bool {
	names, err := b.options.fs.List(filepath.Join(b.options.Dir, storeName))
	return err == nil && len(names) > 0
}

// environmental reports whether an error is one of the system and no damage of the store.
func environmental(err error) bool {
	for _, e := range []error{fs.ErrPermission, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return machine.NoRoom(err)
}

// openStore opens the store for writing and reads it. A damaged one is replaced by what can
// be read of it.
func (b *Broker) openStore(l ledger, exists bool) (*found, error) {
	var err error
	b.db, err = openDB(b.files, b.options.Dir, false, exists, b.log)
	if err == nil {
		var found *found
		if found, err = b.readStore(l); err == nil {
			return found, nil
		}
		closeDB(b.db)
		b.db = nil
	}
	if environmental(err) {
		return nil, err
	}
	if err := b.salvage(err); err != nil {
		return nil, err
	}
	return b.examine(b.db, l)
}

// readStore reads all of a store that was just opened.
func (b *Broker) readStore(l ledger) (*found, error) {
	if err := checkTables(b.options.fs, b.files.dir, b.db); err != nil {
		return nil, err
	}
	found, err := b.examine(b.db, l)
	return found, cmp.Or(err, b.log.err()) // what Pebble noticed meanwhile
}

func (b *Broker) examine(db pebble.Reader, l ledger) (found *found, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: %w", r, errDamaged)
		}
	}()
	x := examiner{
		db: db, ledger: l, boot: machine.BootID(), identity: b.options.identity(b.options.Dir),
		retention: b.retention, when: b.when, now: time.Now(),
	}
	return x.examine()
}

// openForReading serves what there is until the directory can be written.
func (b *Broker) openForReading(l ledger, cause error) error {
	var refusal error = errNotAvailable
	if machine.NoRoom(cause) {
		refusal = errStorageFull
	}
	if errors.Is(cause, syscall.EROFS) || errors.Is(cause, fs.ErrPermission) {
		refusal = errReadOnly
	}
	b.options.Logger.Error("publishing fails: the directory of the history cannot be written; histories are served",
		slog.String("dir", b.options.Dir), slog.Any("err", cause), slog.String("code", string(maru.ErrorOf(refusal).Code)))
	b.refusal.Store(&refusal)
	db, err := openDB(b.files, b.options.Dir, true, true, b.log)
	var found *found
	if err == nil {
		if found, err = b.examine(db, l); err != nil {
			closeDB(db)
		}
	}
	if err != nil {
		b.options.Logger.Error("the history cannot be read; it is looked at again when the directory can be written", slog.String("dir", b.options.Dir), slog.Any("err", err))
		b.meta = meta{epoch: history.NewEpoch(), next: keptID + 1}
		return nil
	}
	b.db, b.unsettled = db, &unsettled{found, l}
	b.settle(found, l)
	return nil
}

var errReadOnly = maru.NewError(maru.CodeStorageFull, "the disk of the history is read-only; try again later")

// unsettled is what was found while nothing could be written.
type unsettled struct {
	found  *found
	ledger ledger
}

// mend opens for writing what was opened for reading.
func (b *Broker) mend() error {
	b.opening.Lock()
	defer b.opening.Unlock()
	b.log.loading.Store(true)
	defer func() { b.log.loading.Store(false) }()
	b.files.direct.Store(true)
	defer func() { b.files.direct.Store(false) }()
	if b.db == nil {
		l, err := readLast(b.options.fs, b.options.Dir)
		if err != nil {
			return err
		}
		found, err := b.openStore(l, b.exists())
		if err != nil {
			return err
		}
		b.mu.Lock()
		b.namespaces = make(map[string]*namespace)
		b.mu.Unlock()
		return b.use(found, l)
	}
	closeDB(b.db)
	db, err := openDB(b.files, b.options.Dir, false, true, b.log)
	if err != nil {
		if b.db, err = openDB(b.files, b.options.Dir, true, true, b.log); err != nil {
			b.broken(err.Error())
		}
		return err
	}
	b.db = db
	u := b.unsettled
	b.unsettled = nil
	return b.write(u.found, u.ledger)
}

// use makes the namespaces of a store that can be written.
func (b *Broker) use(found *found, l ledger) error {
	b.settle(found, l)
	return b.write(found, l)
}

// settle decides the new epochs, and makes the namespaces.
func (b *Broker) settle(found *found, l ledger) {
	for _, f := range found.findings {
		b.options.Logger.Warn("the history is not complete", slog.String("dir", b.options.Dir), slog.String("namespace", f.Namespace),
			slog.String("channel", f.Channel), slog.String("what", f.What), slog.Uint64("from", f.From), slog.Uint64("to", f.To),
			slog.Bool("new_epoch", f.NewEpoch))
	}
	fresh := !l.there && len(found.namespaces) == 0
	if found.metaLost || !fresh && (!l.survived(machine.BootID()) || anyRenewed(found)) || identityChanged(l, b.options.identity(b.options.Dir)) {
		found.meta.epoch = history.NewEpoch()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meta = found.meta
	b.kept = found.kept
	for id, ns := range found.namespaces {
		if ns.renew != "" {
			ns.epoch = history.NewEpoch()
			b.options.Logger.Warn("a history begins a new epoch: "+ns.renew, "dir", b.options.Dir, "file", fileOf(b.options.Dir),
				"namespace", ns.name, "number", ns.number, "epoch", ns.epoch)
		}
		made := newNamespace(b, ns.name, ns.index.retention, ns.epoch)
		made.id, made.index, made.number, made.forgotten = id, ns.index, ns.number, ns.forgotten
		made.planned = ns.record
		b.namespaces[made.name] = made
	}
}

// anyRenewed reports whether a namespace begins a new epoch.
func anyRenewed(f *found) bool {
	for _, ns := range f.namespaces {
		if ns.renew != "" {
			return true
		}
	}
	return false
}

func fileOf(dir string) string { return filepath.Join(dir, storeName) }

func identityChanged(l ledger, now string) bool {
	return l.header != nil && l.header.identity != "" && now != "" && now != l.header.identity
}

// write stores what settle has decided, first in the store and then in DIR/last. The directory
// of a process that ends in between looks like one that was not repaired.
func (b *Broker) write(found *found, l ledger) error {
	writes := b.db.NewBatch()
	writes.Set(metaKey, b.meta.append(), nil)
	for id, ns := range found.namespaces {
		if ns.renew == "" && len(ns.repaired) == 0 {
			continue
		}
		made := b.namespaces[ns.name]
		for _, c := range ns.repaired {
			made.restore(c, writes)
		}
		made.planned.epoch, made.planned.number = ns.epoch, ns.number
		key := recordKey(id)
		writes.Set(key, made.planned.append(nil, key), nil)
	}
	b.files.syncing.Add(1)
	err := b.db.Apply(writes, pebble.Sync)
	b.files.syncing.Add(-1)
	if err != nil {
		return err
	}
	return b.openLast(l)
}

// restore writes the head of a channel after a repair.
func (ns *namespace) restore(c *channel, writes *pebble.Batch) {
	key := headKey(nil, ns.id, c.name)
	value := c.head.append(nil, key)
	if c.stored != 0 {
		ns.planned.heads.remove(c.stored)
	}
	c.stored = sumOf(value)
	ns.planned.heads.add(c.stored)
	writes.Set(key, value, nil)
}

// openLast opens DIR/last and writes what the store has.
func (b *Broker) openLast(l ledger) error {
	last, err := openLast(b.files, b.options.Dir)
	if err != nil {
		return err
	}
	last.seqs = l.seqs
	for _, ns := range b.namespaces {
		ns.mark = mark{name: ns.name, epoch: ns.epoch, sync: ns.sync, acked: ns.number, pending: ns.number}
		if err := last.set(ns.id, ns.mark); err != nil {
			return err
		}
	}
	b.mark = mark{name: "", epoch: "none", sync: true, acked: b.kept.number, pending: b.kept.number}
	if err := last.set(keptID, b.mark); err != nil {
		return err
	}
	if err := last.sync(); err != nil {
		return err
	}
	if err := last.setHeader(header{boot: machine.BootID(), identity: b.options.identity(b.options.Dir)}); err != nil {
		return err
	}
	if err := last.sync(); err != nil {
		return err
	}
	b.held = make(map[string]os.FileInfo)
	for _, name := range []string{dirlock.Name, lastName} {
		if info, err := os.Stat(filepath.Join(b.options.Dir, name)); err == nil {
			b.held[name] = info
		}
	}
	b.makeBallast()
	b.last = last
	return nil
}

// closeDB closes a store that may be damaged.
func closeDB(db *pebble.DB) {
	defer func() { recover() }()
	db.Close()
}
