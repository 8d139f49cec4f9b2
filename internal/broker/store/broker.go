package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of a Broker.
type Options struct {
	// BrokerOptions are those of the server. Retention is called once for each namespace that
	// is listed, and once for all others with the name "". Durability InMemory counts as
	// Interval, and none as Sync.
	maru.BrokerOptions
	// Dir is the directory of the history. It is made if it does not exist.
	Dir string
	// CacheBytes is how much memory publications take that were published or read lately.
	// Default 32 MiB; negative: none.
	CacheBytes int64
	// BallastBytes is the room on the disk that is kept for the commits in progress when the
	// disk becomes full. Default 32 MiB, and at most an eighth of what is free; negative: none.
	BallastBytes int64

	fs       vfs.FS                  // the system's, except in tests
	identity func(dir string) string // identityOf, except in tests
}

func (o Options) withDefaults() Options {
	o.BrokerOptions = o.BrokerOptions.WithDefaults()
	o.CacheBytes = cmp.Or(o.CacheBytes, 32<<20)
	o.BallastBytes = cmp.Or(o.BallastBytes, 32<<20)
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if o.identity == nil {
		o.identity = identityOf
	}
	return o
}

// Broker is a maru.Broker on disk. Make one with Open.
type Broker struct {
	options Options
	start   time.Time
	lock    *dirlock.Lock
	cache   *cache
	log     *pebbleLog
	health

	// opening guards the store itself: it is held for reading while the store is used, and
	// for writing while it is opened again.
	opening   sync.RWMutex
	db        *pebble.DB
	files     *files
	last      *lastFile  // nil: nothing can be written
	unsettled *unsettled // what is to be written when something can be

	held               map[string]os.FileInfo // files of the directory that must stay
	flushing           atomic.Bool
	early              atomic.Uint64 // heads that were forgotten because there were too many
	sweptAt, cleanedAt time.Time     // of the tender

	mu         sync.RWMutex
	meta       meta
	namespaces map[string]*namespace
	closed     bool

	keeping sync.Mutex // guards kept, and the numbers in it
	kept    record
	mark    mark // of kept

	writers sync.WaitGroup // goroutines that write or read; they may be stuck
	tending sync.WaitGroup // the tender
	ending  chan struct{}  // closed when Close begins
	closing chan struct{}  // closed when the writers have ended
}

var (
	_ maru.Broker         = (*Broker)(nil)
	_ maru.HeldReporter   = (*Broker)(nil)
	_ maru.HealthReporter = (*Broker)(nil)
	_ maru.Shrinker       = (*Broker)(nil)
	_ maru.BatchKeeper    = (*Broker)(nil)
	_ maru.Archiver       = (*Broker)(nil)
)

var (
	errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
	errTooLarge     = maru.NewError(maru.CodeTooLarge, "the publication has more than 63 MiB, the most that the history on disk stores")
	errStorageFull  = maru.NewError(maru.CodeStorageFull, "the disk of the history is full; try again later")
	errNotAvailable = maru.NewError(maru.CodeUnavailable, "the history on disk cannot be written at the moment; try again later")
)

var errGone = maru.NewError(maru.CodeUnavailable, "the history on disk is gone or damaged, and publications are refused until the server is started again; its log says more")

const maxData = 63 << 20 // bytes of a publication's data

// Submit implements maru.Broker. Errors: CodeBadText, CodeBadRequest, CodeTooLarge,
// CodeIdempotencyConflict, CodeStorageFull, CodeUnavailable, and CodeShuttingDown after
// Close.
func (b *Broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	if err := b.Err(); err != nil {
		done(maru.Published{}, err)
		return
	}
	ns, err := b.enter(maru.Namespace(channel))
	if err != nil {
		done(maru.Published{}, err)
		return
	}
	s := submission{channel: strings.Clone(channel), publication: p, options: o, done: done, err: cmp.Or(p.Check(), o.Check())}
	if p == nil {
		s.publication = new(maru.Publication) // it fails in its turn, with s.err
	}
	if s.err == nil && len(p.Data) > maxData {
		s.err = errTooLarge
	}
	b.run(ns, ns.submit(s))
}

// run starts the writer of a namespace if that is to be done. The caller has counted it.
func (b *Broker) run(ns *namespace, write bool) {
	if !write {
		b.writers.Done()
		return
	}
	go func() {
		defer b.writers.Done()
		ns.write()
	}()
}

// enter finds or makes the namespace and adds one to writers; the caller sees to
// writers.Done.
func (b *Broker) enter(name string) (*namespace, error) {
	name = b.pool(name)
	b.mu.RLock()
	ns := b.namespaces[name]
	if ns != nil && !b.closed {
		b.writers.Add(1)
		b.mu.RUnlock()
		return ns, nil
	}
	b.mu.RUnlock()
	retention := b.retention(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errShuttingDown
	}
	if ns = b.namespaces[name]; ns == nil {
		ns = newNamespace(b, name, retention, b.meta.of(name))
		b.namespaces[ns.name] = ns
	}
	b.writers.Add(1)
	return ns, nil
}

func (b *Broker) retention(name string) maru.Retention {
	return b.options.Retention(name).WithDefaults()
}

// pool is the namespace in which the publications of a namespace are: all that are not
// listed share one. One that was listed once keeps its own, so that what was published in
// between cannot be missed when it is listed again.
func (b *Broker) pool(name string) string {
	if b.options.Listed(name) {
		return name
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.namespaces[name] != nil {
		return name
	}
	return ""
}

// poolOf returns the epoch of the pool, and its id: 0 if nothing was stored in it.
func (b *Broker) poolOf() (id uint32, epoch string) {
	b.mu.RLock()
	pool, epoch := b.namespaces[""], b.meta.of("")
	b.mu.RUnlock()
	if pool == nil {
		return 0, epoch
	}
	pool.mu.Lock()
	defer pool.mu.Unlock()
	return pool.id, pool.epoch
}

// History implements maru.Broker. It fails with CodeShuttingDown after Close, with
// CodeUnavailable if the store cannot be read, and with ctx's error if ctx has already ended.
func (b *Broker) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := ctx.Err(); err != nil {
		return maru.History{}, err
	}
	name := b.pool(maru.Namespace(channel))
	b.mu.RLock()
	ns, closed, epoch := b.namespaces[name], b.closed, b.meta.of(name)
	b.mu.RUnlock()
	if closed {
		return maru.History{}, errShuttingDown
	}
	if ns == nil {
		ns = &namespace{broker: b, epoch: epoch}
	}
	h, err := ns.history(channel, q)
	if err != nil {
		return maru.History{}, b.unreadable(err)
	}
	return h, nil
}

func (b *Broker) all() []*namespace {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.namespaces))
}

// nextID gives the next id to a namespace.
func (b *Broker) nextID(writes *pebble.Batch) uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.meta.next
	b.meta.next++
	writes.Set(metaKey, b.meta.append(), nil)
	return id
}

// now is the clock of the index; when is the time on it of a stored publication.
func (b *Broker) now() time.Duration { return time.Since(b.start) }

func (b *Broker) when(t time.Time) time.Duration {
	return min(0, t.Sub(b.start)) // t is in the future if the system's clock was set back
}

// newBatch returns nil if nothing can be written.
func (b *Broker) newBatch() *pebble.Batch {
	b.opening.RLock()
	defer b.opening.RUnlock()
	if b.last == nil {
		return nil
	}
	return b.db.NewBatch()
}

// apply hands writes to the store; wait returns when the system has them, and the disk, if
// files.syncing said so. A store that refuses them can no longer be used: the writer stays
// here for ever, behind the fence, since it is not known what the disk has.
func (b *Broker) apply(writes *pebble.Batch) {
	defer func() {
		if r := recover(); r != nil {
			b.broken("a commit failed")
			select {}
		}
	}()
	b.opening.RLock()
	db := b.db
	b.opening.RUnlock()
	if err := db.ApplyNoSyncWait(writes, pebble.Sync); err != nil {
		panic(err)
	}
}

func (b *Broker) wait(writes *pebble.Batch) {
	if err := writes.SyncWait(); err != nil {
		b.broken("a commit failed: " + err.Error())
		select {}
	}
}

// get calls read with a value; it is valid until read returns. The error is
// pebble.ErrNotFound if there is none.
func (b *Broker) get(key []byte, read func(value []byte) error) error {
	b.opening.RLock()
	defer b.opening.RUnlock()
	if b.db == nil {
		return pebble.ErrNotFound
	}
	value, closer, err := b.db.Get(key)
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return b.seek(key, read)
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	return read(value)
}

// seek reads a value without the filter of its table, which may be the only thing that is
// damaged.
func (b *Broker) seek(key []byte, read func(value []byte) error) error {
	all, err := b.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer all.Close()
	if !all.SeekGE(key) || string(all.Key()) != string(key) {
		return cmp.Or(all.Error(), error(pebble.ErrNotFound))
	}
	value, err := all.ValueAndErr()
	if err != nil {
		return err
	}
	return read(value)
}

// unreadable reports that the store cannot be read, and returns the error for users.
func (b *Broker) unreadable(err error) error {
	if code := maru.ErrorOf(err).Code; code == maru.CodeShuttingDown {
		return err
	}
	b.broken("it cannot be read: " + err.Error())
	return errGone
}
