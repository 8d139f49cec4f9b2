package memory

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// Broker is a maru.Broker in memory. Make one with New.
type Broker struct {
	options Options
	epoch   string
	start   time.Time // publications' ages are measured from here
	keys    *history.Keys
	expiry  expiry

	pool             *namespace     // of all namespaces that are not listed
	heads, poolHeads *history.Heads // bounds of the quiet channels: clients invent the names of the pool

	mu         sync.RWMutex
	namespaces map[string]*namespace // the listed ones that were used
	closed     bool
}

var (
	_ maru.Broker       = (*Broker)(nil)
	_ maru.HeldReporter = (*Broker)(nil)
	_ maru.Shrinker     = (*Broker)(nil)
)

// New makes a broker with a new epoch. Close frees its memory; it has no goroutines.
func New(o Options) *Broker {
	o = o.withDefaults()
	b := &Broker{
		options:    o,
		epoch:      history.NewEpoch(),
		start:      time.Now(),
		heads:      history.NewHeads(o.EmptyChannels),
		poolHeads:  history.NewHeads(o.EmptyChannels),
		keys:       history.NewKeys(o.PublisherKeys, o.Keys),
		namespaces: make(map[string]*namespace),
	}
	b.pool = b.newNamespace("", 0, b.poolHeads)
	b.expiry.run = b.expire
	b.expiry.due.Store(never)
	return b
}

// Submit implements maru.Broker. It calls done before it returns. Errors: CodeBadText,
// CodeBadRequest, CodeIdempotencyConflict, CodeRateLimited for too many idempotency keys, and
// CodeShuttingDown after Close. With an error nothing is numbered, stored or delivered.
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
	age := now.Sub(b.start)
	done, deliver, err := ns.accept(channel, p, o, age)
	if deliver {
		b.options.Sink(channel, done.Position, p)
	}
	b.expiry.at(age+ns.expires(o), age)
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
	b.closed = true
	b.mu.Unlock()
	b.expiry.stop()
	for _, ns := range b.all() {
		ns.close()
	}
	return nil
}

var errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")

// lock finds a namespace and locks it. A listed namespace that does not exist is added if keep
// is set. Otherwise the caller gets an empty one that is not kept, so that asking costs
// nothing.
func (b *Broker) lock(name string, keep bool) (*namespace, error) {
	b.mu.RLock()
	ns := b.namespaces[name]
	b.mu.RUnlock()
	if ns == nil {
		switch listed := b.options.Listed(name); {
		case !listed:
			ns = b.pool
		case keep:
			ns = b.add(name)
		default:
			ns = b.newNamespace(name, b.floor(), b.heads)
		}
	}
	ns.mu.Lock()
	if ns.closed || b.isClosed() {
		ns.mu.Unlock()
		return nil, errShuttingDown
	}
	return ns, nil
}

func (b *Broker) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.closed
}

// add makes a listed namespace. It keeps its own numbers from then on, listed or not.
func (b *Broker) add(name string) *namespace {
	floor := b.floor()
	b.mu.Lock()
	defer b.mu.Unlock()
	ns := b.namespaces[name]
	if ns == nil {
		ns = b.newNamespace(name, floor, b.heads)
		if floor > 0 {
			ns.pool = b.pool
		}
		// The name is part of a channel's name, which may be part of a larger string.
		b.namespaces[strings.Clone(name)] = ns
	}
	return ns
}

// floor is the number of the pool. A namespace counts from there, because it may have been a
// part of the pool before it was listed: no offset is given twice in a channel.
func (b *Broker) floor() uint64 {
	b.pool.mu.Lock()
	defer b.pool.mu.Unlock()
	return b.pool.history.Number()
}
