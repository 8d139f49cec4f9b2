package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
)

// epochLength gives 50 random bits: enough that no two starts of a server share an
// epoch, and short, because the epoch is part of each id of server-sent events.
const epochLength = 10

// Broker is a maru.Broker in memory. Make one with New.
type Broker struct {
	options Options
	epoch   string
	start   time.Time // publications' ages are measured from here

	mu         sync.RWMutex
	namespaces map[string]*namespace // nil after Close
	floor      uint64                // highest number of the forgotten namespaces
}

var (
	_ maru.Broker       = (*Broker)(nil)
	_ maru.HeldReporter = (*Broker)(nil)
)

// New makes a broker with a new epoch. Close frees its memory; it has no goroutines.
func New(o Options) *Broker {
	return &Broker{
		options:    o.withDefaults(),
		epoch:      strings.ToLower(rand.Text()[:epochLength]),
		start:      time.Now(),
		namespaces: make(map[string]*namespace),
	}
}

// Submit implements maru.Broker. It calls done before it returns. Errors: CodeBadText,
// CodeBadRequest, CodeIdempotencyConflict, and CodeShuttingDown after Close. With an
// error nothing is numbered, stored or delivered.
func (b *Broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	done(b.submit(channel, p, o))
}

func (b *Broker) submit(channel string, p *maru.Publication, o maru.PublishOptions) (maru.Published, error) {
	if err := cmp.Or(p.Check(), o.Check()); err != nil {
		return maru.Published{}, err
	}
	ns, err := b.lock(maru.Namespace(channel), !o.Transient || o.IdempotencyKey != "")
	if err != nil {
		return maru.Published{}, err
	}
	defer ns.mu.Unlock()

	now := time.Now()
	p.Time = now.UTC() // which strips the monotonic reading
	done, deliver, err := ns.accept(channel, p, o, now.Sub(b.start))
	if deliver {
		b.options.Sink(channel, done.Position, p)
	}
	return done, err
}

// History implements maru.Broker. It fails with CodeShuttingDown after Close, and with
// ctx's error if ctx has already ended.
func (b *Broker) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := ctx.Err(); err != nil {
		return maru.History{}, err
	}
	ns, err := b.lock(maru.Namespace(channel), false)
	if err != nil {
		return maru.History{}, err
	}
	defer ns.mu.Unlock()
	return ns.history.History(channel, q, time.Since(b.start)), nil
}

// Close implements maru.Broker: it drops all history.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ns := range b.namespaces {
		ns.forget()
	}
	b.namespaces = nil
	return nil
}

// lock finds a namespace and locks it. A namespace that does not exist is added if keep
// is set. Otherwise the caller gets an empty one that is not kept, so that asking costs
// nothing.
func (b *Broker) lock(name string, keep bool) (*namespace, error) {
	for {
		b.mu.RLock()
		ns, floor, closed := b.namespaces[name], b.floor, b.namespaces == nil
		b.mu.RUnlock()
		switch {
		case closed:
			return nil, maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
		case ns == nil && keep:
			b.add(name)
			continue
		case ns == nil:
			ns = newNamespace(&b.options, name, b.epoch, floor)
		}
		ns.mu.Lock()
		if !ns.forgotten {
			return ns, nil
		}
		ns.mu.Unlock() // it was forgotten between the two locks: look again
	}
}

// add makes a namespace, and forgets another one if there are too many.
func (b *Broker) add(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.namespaces == nil || b.namespaces[name] != nil {
		return // the broker was closed, or another publisher was first
	}
	if len(b.namespaces) >= b.options.Namespaces {
		b.forgetOldest()
	}
	ns := newNamespace(&b.options, name, b.epoch, b.floor)
	ns.used.Store(int64(time.Since(b.start)))
	// The name is part of a channel's name, which may be part of a larger string.
	b.namespaces[strings.Clone(name)] = ns
}

// forgetOldest forgets the namespace whose last publication is oldest. Its number goes
// into the floor, from which later namespaces continue to count. So in one epoch no
// offset is given twice in a channel, and an earlier position is less than the offset
// that such a namespace reports as removed.
func (b *Broker) forgetOldest() {
	var oldest string
	var ns *namespace
	for name, other := range b.namespaces {
		if ns == nil || other.used.Load() < ns.used.Load() {
			oldest, ns = name, other
		}
	}
	delete(b.namespaces, oldest)
	b.floor = max(b.floor, ns.forget())
}
