package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/dirlock"
	"maru.example/maru/internal/history"
	"maru.example/maru/internal/machine"
)

const (
	maxNamespaces      = 1_000
	checkpointInterval = time.Second
	repairInterval     = 2 * time.Second
)

// Options of a Broker.
type Options struct {
	// BrokerOptions are those of the server. Retention is called once for each namespace.
	// Its Durability decides between the two stores; InMemory counts as Interval.
	maru.BrokerOptions
	// Dir is the directory of the history. It is made if it does not exist.
	Dir string
	// EmptyChannels is the number of channels without retained publications whose heads a
	// namespace remembers. Default 10,000; negative: none.
	EmptyChannels int
}

func (o Options) withDefaults() Options {
	o.BrokerOptions = o.BrokerOptions.WithDefaults()
	o.EmptyChannels = max(0, cmp.Or(o.EmptyChannels, 10_000))
	return o
}

// Broker is a maru.Broker on disk. Make one with Open.
type Broker struct {
	options Options
	epoch   string // of namespaces without publications
	boot    string
	start   time.Time
	lock    *dirlock.Lock
	disks   map[bool]*disk // true: the one that syncs each write

	mu         sync.RWMutex
	namespaces map[string]*namespace
	closed     bool
	keys       *history.Keys

	recording sync.Mutex
	written   string // the last record, so that only changes are written

	writers sync.WaitGroup // goroutines of namespaces
	tending sync.WaitGroup // checkpoints and repairs
	closing chan struct{}
}

var (
	_ maru.Broker         = (*Broker)(nil)
	_ maru.HeldReporter   = (*Broker)(nil)
	_ maru.HealthReporter = (*Broker)(nil)
)

// Open reads the directory and locks it against other processes until Close. The error
// names the directory and the reason.
func Open(o Options) (*Broker, error) {
	o = o.withDefaults()
	fail := func(err error) (*Broker, error) { return nil, fmt.Errorf("history in %s: %w", o.Dir, err) }
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fail(err)
	}
	if err := probe(o.Dir); err != nil {
		return fail(err)
	}
	held, err := dirlock.Take(o.Dir)
	if err != nil {
		return fail(err)
	}
	b := &Broker{
		options: o, boot: machine.BootID(), start: time.Now(), lock: held,
		namespaces: make(map[string]*namespace), keys: history.NewKeys(math.MaxInt, math.MaxInt), closing: make(chan struct{}),
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

// load reads the record and the stores, and compares them.
func (b *Broker) load() error {
	r, err := readRecord(b.options.Dir)
	if err != nil {
		return err
	}
	b.epoch = r.Epoch
	survived := r.Clean || r.Boot != "" && r.Boot == b.boot
	if !survived {
		b.epoch = history.NewEpoch()
	}
	for _, sync := range []bool{false, true} {
		d := b.disks[sync]
		if _, err := os.Stat(d.dir); sync && err != nil {
			continue // it is made when a namespace asks for it
		}
		s, err := d.running()
		if err != nil {
			return err
		}
		names, err := s.namespaces()
		if err != nil {
			return err
		}
		for _, name := range names {
			if known, ok := r.Namespaces[name]; ok && known.Sync != sync {
				if err := s.drop(streamName(name)); err != nil { // left by an interrupted move
					return err
				}
			} else if !ok {
				r.Namespaces[name] = Namespace{Sync: sync} // the record is missing
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

// loadNamespace reads a namespace from the store that the record names.
func (b *Broker) loadNamespace(name string, known Namespace, survived bool) (ns *namespace, from *disk, err error) {
	ns = newNamespace(b, name, known.Epoch, b.options.Retention(name).WithDefaults())
	ns.recorded = true
	from = b.disks[known.Sync]
	s, err := from.running()
	if err == nil {
		err = ns.load(s, known)
	}
	if err != nil {
		return nil, nil, err
	}
	switch reached := ns.seq + known.Skew; {
	case known.Epoch == "":
		b.renew(ns, known, "record.json does not know the namespace", reached)
	case reached < known.Last:
		b.renew(ns, known, "the store ends before the last acknowledged publication", reached)
	case !survived && !known.Sync:
		b.renew(ns, known, "the machine went down before the store was closed", reached)
	}
	b.namespaces[name] = ns
	return ns, from, nil
}

// renew begins a new epoch and logs why.
func (b *Broker) renew(ns *namespace, known Namespace, why string, reached uint64) {
	ns.history.Renew(history.NewEpoch())
	b.options.Logger.Warn("a history begins a new epoch: "+why, "dir", b.options.Dir, "namespace", ns.name,
		"acknowledged", known.Last, "stored", reached, "epoch", ns.history.Epoch())
}

// Submit implements maru.Broker. Errors: CodeBadText, CodeBadRequest, CodeTooLarge,
// CodeIdempotencyConflict, CodeStorageFull, CodeUnavailable, and CodeShuttingDown after
// Close.
func (b *Broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
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
	errTooLarge     = maru.NewError(maru.CodeTooLarge, "the publication has more than 63 MiB, the most that the history on disk stores")
	errNamespaces   = maru.NewError(maru.CodeStorageFull, "the history on disk has 1000 namespaces, and no more are allowed; use a namespace that exists")
	errStorageFull  = maru.NewError(maru.CodeStorageFull, "the disk of the history is full; try again later")
	errNotAvailable = maru.NewError(maru.CodeUnavailable, "the history on disk cannot be written at the moment; try again later")
)

// enter finds or makes the namespace and adds one to writers; the caller sees to
// writers.Done.
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

// History implements maru.Broker. It fails with CodeShuttingDown after Close, and with
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
		return history.New(maru.Retention{}.WithDefaults(), b.epoch, 0, history.NewHeads(0)).History(channel, q, 0), nil
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.history.History(channel, q, b.now()), nil
}

// Held implements maru.HeldReporter. Publications that are too old count until their
// namespace is used again.
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

// Err implements maru.HealthReporter.
func (b *Broker) Err() error {
	for _, d := range b.disks {
		if err := d.why.Load(); err != nil {
			return *err
		}
	}
	return nil
}

// Close implements maru.Broker. It waits for submissions, closes the store and unlocks the
// directory.
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

// end closes the stores, and records a clean end if none of them was failing.
func (b *Broker) end() error {
	clean := b.Err() == nil
	for _, d := range b.disks {
		if s := d.store.Swap(nil); s != nil {
			s.close()
		}
	}
	var err error
	if b.written != "" { // otherwise Open failed before it changed anything
		err = b.recordAs(clean, true)
	}
	return errors.Join(err, b.lock.Unlock())
}

// now is the clock of the histories; when is the time on it of a stored publication.
func (b *Broker) now() time.Duration { return time.Since(b.start) }

func (b *Broker) when(t time.Time) time.Duration {
	return min(0, t.Sub(b.start)) // t is in the future if the system's clock was set back
}

func (b *Broker) checkpoints() {
	tick := time.NewTicker(checkpointInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := b.record(false); err != nil && b.Err() == nil {
				b.options.Logger.Error("cannot write record.json of the history; after a crash a new epoch may begin", slog.String("dir", b.options.Dir), slog.Any("err", err))
			}
		case <-b.closing:
			return
		}
	}
}

// record writes the last acknowledged offsets, and the namespaces.
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
	why     atomic.Pointer[error] // not nil: the store is broken and being repaired
}

// running returns the store and opens it at the first call. While the store is broken it
// returns the error for publishers.
func (d *disk) running() (*store, error) {
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

// failed declares the store s broken because of err, and starts its repair. It returns the
// error for publishers.
func (d *disk) failed(s *store, err error) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	if why := d.why.Load(); why != nil {
		return *why
	}
	if s != d.store.Load() {
		return errNotAvailable // it has been repaired in the meantime
	}
	var refusal error = errNotAvailable
	if machine.NoRoom(probe(d.dir)) {
		refusal = errStorageFull
	}
	d.why.Store(&refusal)
	d.store.Store(nil)
	d.broker.options.Logger.Error("publishing fails: the history cannot be written; free some space or repair the disk",
		slog.String("dir", d.dir), slog.Any("err", err), slog.String("code", string(maru.ErrorOf(refusal).Code)))
	d.broker.tending.Go(func() { d.repair(s) })
	return refusal
}

// repair opens the store again once a file can be written to the disk.
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
			d.broker.options.Logger.Info("the history is written again", slog.String("dir", d.dir))
			return
		}
		if err.Error() != said {
			said = err.Error()
			d.broker.options.Logger.Error("the history cannot be opened again; the next attempt follows", slog.String("dir", d.dir), slog.Any("err", err))
		}
	}
}

// reopen opens the store and delivers what it has that was not acknowledged.
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
