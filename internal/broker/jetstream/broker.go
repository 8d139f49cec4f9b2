package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"

	"github.com/gofrs/flock"
)

const (
	maxNamespaces      = 1_000
	checkpointInterval = time.Second
	repairInterval     = 2 * time.Second
)

// Options of a Broker.
type Options struct {
	// Dir is the directory of the history. It is made if it is not there.
	Dir string
	// Retention is what a namespace keeps, asked once for each. Durability decides
	// between the two stores; InMemory counts as Interval. nil: the defaults.
	Retention func(namespace string) maru.Retention
	// EmptyChannels is of how many channels that retain nothing a namespace remembers
	// the heads. Default 10,000; negative: of none.
	EmptyChannels int
	// Sink takes each publication; see maru.Sink. nil: nobody does.
	Sink maru.Sink
	// Logger gets what an operator should know of. nil: nobody does.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Retention == nil {
		o.Retention = func(string) maru.Retention { return maru.Retention{} }
	}
	o.EmptyChannels = cmp.Or(o.EmptyChannels, 10_000)
	if o.Sink == nil {
		o.Sink = func(string, maru.Position, *maru.Publication) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Broker is a maru.Broker on disk. Make one with Open.
type Broker struct {
	options Options
	epoch   string // of namespaces that nothing was published to yet
	boot    string
	start   time.Time
	lock    *flock.Flock
	disks   map[bool]*disk // by whether each write is synced

	mu         sync.RWMutex
	namespaces map[string]*namespace
	closed     bool

	recording sync.Mutex
	written   string // the last record, to write only news

	writers sync.WaitGroup // goroutines of namespaces
	tending sync.WaitGroup // checkpoints and repairs
	closing chan struct{}
}

var _ maru.Broker = (*Broker)(nil)

// Open reads what is in the directory, which this process alone may use until Close.
// The error says which directory, and why not.
func Open(o Options) (*Broker, error) {
	o = o.withDefaults()
	fail := func(err error) (*Broker, error) { return nil, fmt.Errorf("history in %s: %w", o.Dir, err) }
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fail(err)
	}
	if err := probe(o.Dir); err != nil {
		return fail(err)
	}
	held, err := lock(o.Dir)
	if err != nil {
		return fail(err)
	}
	b := &Broker{
		options: o, boot: bootID(), start: time.Now(), lock: held,
		namespaces: make(map[string]*namespace), closing: make(chan struct{}),
	}
	b.disks = map[bool]*disk{
		false: {broker: b, dir: filepath.Join(o.Dir, "interval")},
		true:  {broker: b, dir: filepath.Join(o.Dir, "sync"), sync: true},
	}
	if err := b.load(); err != nil {
		b.end()
		return fail(err)
	}
	b.tending.Go(b.checkpoints)
	return b, nil
}

// load reads the record and the stores, and judges one by the other.
func (b *Broker) load() error {
	r, err := readRecord(b.options.Dir)
	if err != nil {
		return err
	}
	b.epoch = r.Epoch
	survived := r.Clean || r.Boot != "" && r.Boot == b.boot
	if !survived {
		b.epoch = newEpoch()
	}
	for _, sync := range []bool{false, true} {
		d := b.disks[sync]
		if _, err := os.Stat(d.dir); sync && err != nil {
			continue // only if a namespace asks for it
		}
		s, err := d.open()
		if err != nil {
			return err
		}
		names, err := s.namespaces()
		if err != nil {
			return err
		}
		for _, name := range names {
			if known, ok := r.Namespaces[name]; ok && known.Sync != sync {
				if err := s.drop(streamName(name)); err != nil { // a move that did not end
					return err
				}
			} else if !ok {
				r.Namespaces[name] = Namespace{Sync: sync} // the record is gone
			}
		}
	}
	moved := make(map[*namespace]*store)
	for name, known := range r.Namespaces {
		ns, from, err := b.loadNamespace(name, known, survived)
		if err != nil {
			return err
		}
		if ns.disk != from {
			moved[ns] = from.store.Load()
		}
	}
	for ns, from := range moved {
		if err := ns.move(from); err != nil {
			return err
		}
	}
	if err := b.record(true); err != nil {
		return err
	}
	for ns, from := range moved {
		if err := from.drop(ns.stream); err != nil {
			return err
		}
	}
	return nil
}

// loadNamespace reads a namespace from the store that the record says it is in.
func (b *Broker) loadNamespace(name string, known Namespace, survived bool) (ns *namespace, from *disk, err error) {
	ns = newNamespace(b, name, known.Epoch, b.options.Retention(name).WithDefaults())
	ns.recorded = true
	from = b.disks[known.Sync]
	s, err := from.open()
	if err == nil {
		err = ns.load(s, known)
	}
	if err != nil {
		return nil, nil, err
	}
	switch reached := ns.seq + known.Skew; {
	case known.Epoch == "":
		b.renew(ns, known, "the record does not know it", reached)
	case reached < known.Last:
		b.renew(ns, known, "the store ends before what was acknowledged", reached)
	case !survived && !known.Sync:
		b.renew(ns, known, "the machine went down without a clean end", reached)
	}
	b.namespaces[name] = ns
	return ns, from, nil
}

// renew begins a new epoch.
func (b *Broker) renew(ns *namespace, known Namespace, why string, reached uint64) {
	ns.history.Renew(newEpoch())
	b.options.Logger.Warn("a history begins a new epoch: "+why, "dir", b.options.Dir, "namespace", ns.name,
		"acknowledged", known.Last, "stored", reached, "epoch", ns.history.Epoch())
}

// Submit is maru.Broker's. Errors: CodeBadText, CodeBadRequest,
// CodeTooLarge, CodeIdempotencyConflict, CodeStorageFull, CodeUnavailable, CodeShuttingDown after
// Close.
func (b *Broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	ns, err := b.enter(maru.Namespace(channel))
	if err != nil {
		done(maru.Published{}, err)
		return
	}
	s := submission{channel: strings.Clone(channel), publication: p, options: o, done: done, err: cmp.Or(p.Check(), o.Check())}
	if s.err == nil && len(p.Data) > maxData {
		s.err = errTooLarge
	}
	if !ns.submit(s) {
		b.writers.Done()
		return
	}
	go func() {
		defer b.writers.Done()
		ns.write()
	}()
}

var (
	errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
	errTooLarge     = maru.NewError(maru.CodeTooLarge, "the history on disk takes no publication above 63 MiB")
	errNamespaces   = maru.NewError(maru.CodeStorageFull, "the history on disk has as many namespaces as it may")
	errStorageFull  = maru.NewError(maru.CodeStorageFull, "the history on disk has no room; try again later")
	errNotAvailable = maru.NewError(maru.CodeUnavailable, "the history on disk cannot be written; try again later")
)

// enter finds or makes the namespace and counts a writer, who ends with writers.Done.
func (b *Broker) enter(name string) (*namespace, error) {
	b.mu.RLock()
	ns := b.namespaces[name]
	if ns != nil && !b.closed {
		b.writers.Add(1)
		b.mu.RUnlock()
		return ns, nil
	}
	b.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errShuttingDown
	}
	if ns = b.namespaces[name]; ns == nil {
		if len(b.namespaces) >= maxNamespaces {
			return nil, errNamespaces
		}
		name = strings.Clone(name)
		ns = newNamespace(b, name, b.epoch, b.options.Retention(name).WithDefaults())
		b.namespaces[name] = ns
	}
	b.writers.Add(1)
	return ns, nil
}

// History is maru.Broker's. It fails with CodeShuttingDown after Close, and with
// ctx's error if ctx has already ended.
func (b *Broker) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := ctx.Err(); err != nil {
		return maru.History{}, err
	}
	b.mu.RLock()
	ns, closed := b.namespaces[maru.Namespace(channel)], b.closed
	b.mu.RUnlock()
	if closed {
		return maru.History{}, errShuttingDown
	}
	if ns == nil {
		return history.New(maru.Retention{}.WithDefaults(), b.epoch, 0, 0).History(channel, q, 0), nil
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.history.History(channel, q, b.now()), nil
}

// Held is how much is retained now, in all namespaces. What is too old counts until
// its namespace is next used.
func (b *Broker) Held() (held maru.Held) {
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.namespaces))
	b.mu.RUnlock()
	for _, ns := range all {
		ns.mu.Lock()
		held = held.Plus(ns.history.Held())
		ns.mu.Unlock()
	}
	return held
}

// Err says why publishing fails at the moment; nil if it does not.
func (b *Broker) Err() error {
	for _, d := range b.disks {
		if err := d.why.Load(); err != nil {
			return *err
		}
	}
	return nil
}

// Close waits for what was submitted, closes the store and lets go of the directory.
// When it returns, no call of the Sink is running and none will follow.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.writers.Wait()
	close(b.closing)
	b.tending.Wait()
	return b.end()
}

// end writes the record of a clean end if the store was closed cleanly.
func (b *Broker) end() error {
	clean := b.Err() == nil
	for _, d := range b.disks {
		if s := d.store.Swap(nil); s != nil {
			s.close()
		}
	}
	var err error
	if b.written != "" { // else nothing was changed
		err = b.recordAs(clean, true)
	}
	return errors.Join(err, b.lock.Unlock())
}

// now and when are the clock of the histories.
func (b *Broker) now() time.Duration { return time.Since(b.start) }

func (b *Broker) when(t time.Time) time.Duration {
	return min(0, t.Sub(b.start)) // the system's clock may have been set back
}

func (b *Broker) checkpoints() {
	tick := time.NewTicker(checkpointInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := b.record(false); err != nil && b.Err() == nil {
				b.options.Logger.Error("cannot write the record of the history", "dir", b.options.Dir, "err", err)
			}
		case <-b.closing:
			return
		}
	}
}

// record writes what is acknowledged by now.
func (b *Broker) record(sync bool) error { return b.recordAs(false, sync) }

func (b *Broker) recordAs(clean, sync bool) error {
	b.recording.Lock()
	defer b.recording.Unlock()
	r := Record{Format: recordFormat, Boot: b.boot, Clean: clean, Epoch: b.epoch, Namespaces: map[string]Namespace{}}
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.namespaces))
	b.mu.RUnlock()
	for _, ns := range all {
		ns.mu.Lock()
		r.Namespaces[ns.name] = Namespace{Epoch: ns.history.Epoch(), Sync: ns.disk.sync, Last: ns.history.Number(), Skew: ns.skew.Load()}
		ns.mu.Unlock()
	}
	text := fmt.Sprint(r)
	if text == b.written {
		return nil
	}
	if err := r.write(b.options.Dir, sync); err != nil {
		return err
	}
	b.written = text
	return nil
}

// A disk is one of the two stores, open or not.
type disk struct {
	broker *Broker
	dir    string
	sync   bool

	opening sync.Mutex
	store   atomic.Pointer[store] // nil: not open
	why     atomic.Pointer[error] // it is not open and has to be
}

// open answers the store, and opens it if nobody has. While it is down it is an error.
func (d *disk) open() (*store, error) {
	if s := d.store.Load(); s != nil {
		return s, nil
	}
	d.opening.Lock()
	defer d.opening.Unlock()
	if s := d.store.Load(); s != nil {
		return s, nil
	}
	if why := d.why.Load(); why != nil {
		return nil, *why
	}
	s, err := openStore(d.dir, d.sync, d.broker.options.Logger)
	if err != nil {
		return nil, err
	}
	d.store.Store(s)
	return s, nil
}

// failed takes down the store that an error is of, and has it repaired. It answers what
// publishers are told.
func (d *disk) failed(s *store, err error) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	if why := d.why.Load(); why != nil {
		return *why
	}
	if s != d.store.Load() {
		return errNotAvailable // it was repaired in the meantime
	}
	var refusal error = errNotAvailable
	if noRoom(probe(d.dir)) {
		refusal = errStorageFull
	}
	d.why.Store(&refusal)
	d.store.Store(nil)
	d.broker.options.Logger.Error("publishing fails: the history cannot be written", "dir", d.dir, "err", err, "code", maru.ErrorOf(refusal).Code)
	d.broker.tending.Go(func() { d.repair(s) })
	return refusal
}

// noRoom reports whether that is why a file could not be written.
func noRoom(err error) bool {
	const windowsDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull)
}

// repair opens the store again once the disk takes a file.
func (d *disk) repair(broken *store) {
	if broken != nil {
		broken.close()
	}
	tick := time.NewTicker(repairInterval)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-tick.C:
		case <-d.broker.closing:
			return
		}
		if probe(d.dir) != nil {
			continue
		}
		err := d.reopen()
		if err == nil {
			d.broker.options.Logger.Info("the history is written again", "dir", d.dir)
			return
		}
		if err.Error() != said {
			said = err.Error()
			d.broker.options.Logger.Error("the history cannot be opened again", "dir", d.dir, "err", err)
		}
	}
}

func (d *disk) reopen() error {
	s, err := openStore(d.dir, d.sync, d.broker.options.Logger)
	if err != nil {
		return err
	}
	d.broker.mu.RLock()
	all := slices.Collect(maps.Values(d.broker.namespaces))
	d.broker.mu.RUnlock()
	for _, ns := range all {
		if ns.disk != d {
			continue
		}
		if err := ns.catchUp(s); err != nil {
			s.close()
			return err
		}
	}
	d.store.Store(s)
	d.why.Store(nil)
	return d.broker.record(true)
}
