package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// load reads a namespace that this node has taken, in a new term.
func (b *Broker) load(ctx context.Context, o owner) (*namespace, error) {
	r := b.options.Retention(o.Namespace).WithDefaults()
	ns := &namespace{
		stream: &stream{b.link, o.Namespace}, broker: b, owner: o,
		history: history.New(r, o.Epoch, 0, history.NewHeads(b.options.EmptyChannels)), repeats: history.NewRepeats(b.keys),
		heads: make(map[string]uint64), keys: make(map[history.RepeatKey]struct{}),
	}
	if err := ns.ensure(ctx, r); err != nil {
		return nil, err
	}
	var err error
	if ns.last, err = ns.begin(ctx, o.Term, o.Epoch); err != nil {
		return nil, err
	}
	l := loading{namespace: ns, prevs: make(map[uint64]struct{})}
	if err := ns.read(ctx, ns.last, l.add); err != nil {
		return nil, err
	}
	if err := l.readKeys(ctx); err != nil {
		return nil, err
	}
	l.judge()
	return ns, nil
}

// loading is the reading of a namespace.
type loading struct {
	*namespace
	reached uint64              // the last number that was read
	missing []span              // numbers that were not
	prevs   map[uint64]struct{} // the numbers that publications say were before them in their channel
	damaged int                 // entries
	repeats []history.Repeat
}

type span struct{ from, to uint64 }

func (l *loading) add(m message) error {
	if m.seq > l.reached+1 {
		l.missing = append(l.missing, span{l.reached + 1, m.seq - 1})
	}
	l.reached = m.seq
	e, err := parseEntry(m.data, m.seq)
	if err != nil { // as if it were missing
		l.damaged++
		l.missing = append(l.missing, span{m.seq, m.seq})
		return nil
	}
	if e.term != 0 {
		return nil
	}
	channel, err := channelOf(m.subject)
	if err != nil {
		return err
	}
	l.prevs[e.prev] = struct{}{}
	p := e.publication
	if p == nil {
		p = &maru.Publication{Offset: m.seq}
	}
	at := l.broker.when(p.Time)
	l.history.Restore(channel, entryOf(channel, p, at), e.prev, e.version, e.publication == nil)
	if e.keyed {
		l.repeats = append(l.repeats, history.Repeat{
			Key: history.RepeatKey{Channel: channel, Publisher: e.publisher, Key: e.key}, Sum: e.sum, Offset: m.seq, At: at, Share: maru.NoShare})
	}
	return nil
}

// readKeys reads the keys whose publications may be gone, and remembers them together with those of
// the publications that are there, the oldest first.
func (l *loading) readKeys(ctx context.Context) error {
	err := l.readSome(ctx, l.names.keysStream(), l.names.keys(l.stream.namespace), 0, func(m message) error {
		records, err := parseKeys(m.data)
		for _, k := range records {
			l.repeats = append(l.repeats, history.Repeat{Key: k.key, Sum: k.sum, Offset: k.offset, At: l.broker.when(k.time), Share: maru.NoShare})
		}
		return err
	})
	slices.SortStableFunc(l.repeats, func(a, b history.Repeat) int { return cmp.Compare(a.At, b.At) })
	for _, r := range l.repeats {
		if !l.namespace.repeats.Knows(r.Key) && l.broker.now()-r.At < maru.IdempotencyAge {
			l.namespace.repeats.Add(r) // without a share: it does not fail
		}
	}
	return err
}

// judge compares what was read with what was noted before.
func (l *loading) judge() {
	l.history.Lost(highestMissing(l.missing, l.prevs))
	if l.damaged > 0 {
		l.broker.options.Logger.Error("entries of a namespace are damaged; their channels have a gap",
			slog.String("namespace", l.stream.namespace), slog.Int("entries", l.damaged))
	}
	if l.last > l.owner.Last {
		return
	}
	l.owner.Epoch = history.NewEpoch()
	l.history.Renew(l.owner.Epoch)
	l.broker.options.Logger.Error("a history begins a new epoch: NATS has lost acknowledged publications",
		slog.String("namespace", l.stream.namespace), slog.Uint64("acknowledged", l.owner.Last), slog.Uint64("stored", l.last-1))
}

// highestMissing returns the highest offset that an unknown channel may have had: one that is
// missing, and is not the previous offset of one that is there. 0 if there is none.
func highestMissing(missing []span, prevs map[uint64]struct{}) uint64 {
	for i := len(missing) - 1; i >= 0; i-- {
		for n := missing[i].to; n >= missing[i].from; n-- {
			if _, known := prevs[n]; !known {
				return n
			}
		}
	}
	return 0
}
