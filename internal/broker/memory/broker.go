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

// epochLength gives 50 random bits: enough that no two lives of a server meet,
// and short, because the epoch travels in each id of server-sent events.
const epochLength = 10

// Broker is a maru.Broker in memory. Make one with New.
type Broker struct {
	options Options
	epoch   string
	start   time.Time // publications' ages are measured from here

	mu         sync.RWMutex
	namespaces map[string]*namespace // nil after Close
	floor      uint64                // highest number of the namespaces forgotten
}

var _ maru.Broker = (*Broker)(nil)

// New makes a broker with a new epoch. Close it to give its memory back; nothing
// runs until then.
func New(o Options) *Broker {
	return &Broker{
		options:    o.withDefaults(),
		epoch:      strings.ToLower(rand.Text()[:epochLength]),
		start:      time.Now(),
		namespaces: make(map[string]*namespace),
	}
}

// Submit is maru.Broker's. It calls done before it returns. Errors: CodeBadText,
// CodeBadRequest, CodeIdempotencyConflict, and CodeShuttingDown after Close. Nothing
// is numbered, stored or delivered then.
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
	done, deliver, err := ns.take(channel, p, o, now.Sub(b.start))
	if deliver {
		b.options.Sink(channel, done.Position, p)
	}
	return done, err
}

// History is maru.Broker's. It fails with CodeShuttingDown after Close, and with
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

// Close drops all history. When it returns, no call of the Sink is running and
// none will follow.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ns := range b.namespaces {
		ns.forget()
	}
	b.namespaces = nil
	return nil
}

// lock finds a namespace and locks it. One that is not there is remembered from
// now on if keep, else it only answers this once, so that asking costs nothing.
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
		ns.mu.Unlock() // forgotten between the two locks: look again
	}
}

// add makes a namespace, and forgets another one if they are too many.
func (b *Broker) add(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.namespaces == nil || b.namespaces[name] != nil {
		return // Close or another publisher was faster
	}
	if len(b.namespaces) >= b.options.Namespaces {
		b.forgetOldest()
	}
	ns := newNamespace(&b.options, name, b.epoch, b.floor)
	ns.used.Store(int64(time.Since(b.start)))
	// The name is part of a channel's name, which may be part of something larger.
	b.namespaces[strings.Clone(name)] = ns
}

// forgetOldest forgets the namespace that is longest without a publication. Its
// number goes into the floor, from which namespaces made later count on: in one
// epoch no offset is given twice in a channel, and a position from before is
// less than what such a namespace says was removed.
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
