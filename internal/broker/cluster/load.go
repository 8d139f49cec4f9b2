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
		stream: &stream{b.link, o.Namespace}, broker: b, owner: o, retention: r,
		heads: make(map[string]uint64), keys: make(map[history.RepeatKey]struct{}), dirty: make(map[string]struct{}),
	}
	if err := ns.ensure(ctx, r); err != nil {
		return nil, err
	}
	heads, err := ns.readHeads(ctx)
	if err != nil {
		return nil, err
	}
	if ns.last, err = ns.begin(ctx, o.Term, o.Epoch); err != nil {
		return nil, err
	}
	ns.began = ns.last
	l := newLoading(ns, heads)
	if err := ns.read(ctx, ns.last, l.add); err != nil {
		return nil, err
	}
	if l.odd() { // another replica may have what this one has not
		b.health.odd.Add(1)
		b.options.Logger.Error("a replica has lost or changed entries of a namespace; its leader is read",
			slog.String("stream", ns.names.stream(o.Namespace)), slog.String("leader", b.leaderOf(ctx, ns.names.stream(o.Namespace))),
			slog.Int("damaged_entries", l.damaged), slog.Int("missing_entries", l.holes+len(l.behind())))
		l.history.Clear()
		l = newLoading(ns, heads)
		if err := ns.readLeader(ctx, ns.last, l.add); err != nil {
			return nil, err
		}
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
	known   known
	reached uint64              // the last number that was read
	missing []span              // numbers that were not
	prevs   map[uint64]struct{} // the numbers that publications say were before them in their channel
	damaged int                 // entries
	holes   int                 // in channels
	repeats []history.Repeat
}

func newLoading(ns *namespace, k known) *loading {
	ns.history = history.New(ns.retention, ns.owner.Epoch, 0, ns.broker.headsOf(ns.stream.namespace))
	ns.repeats = history.NewRepeats(ns.broker.keys)
	return &loading{namespace: ns, known: k, prevs: make(map[uint64]struct{})}
}

// odd reports whether something is missing that no limit has removed.
func (l *loading) odd() bool {
	return l.damaged > 0 || l.holes > 0 || len(l.behind()) > 0
}

// behind are the channels that retain something and have had more by the checkpoints.
func (l *loading) behind() (all []string) {
	if l.known.usable(l.owner.Epoch) {
		l.history.Retaining(func(name string, h, _ uint64) {
			if l.known.heads[history.StableHash(name)].head > h {
				all = append(all, name)
			}
		})
	}
	return all
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
	if l.history.Restore(channel, entryOf(channel, p, at), e.prev, e.version, e.publication == nil) {
		l.holes++
	}
	if e.keyed {
		l.repeats = append(l.repeats, history.Repeat{
			Key: history.RepeatKey{Channel: channel, Publisher: e.publisher, Key: e.key}, Sum: e.sum, Offset: m.seq, At: at, Share: e.share})
	}
	return nil
}

// readKeys reads the keys whose publications may be gone, and remembers them together with those of
// the publications that are there, the oldest first.
func (l *loading) readKeys(ctx context.Context) error {
	err := l.readSome(ctx, l.names.keysStream(), l.names.keys(l.stream.namespace), 0, func(m message) error {
		records, err := parseKeys(m.data)
		for _, k := range records {
			l.repeats = append(l.repeats, history.Repeat{Key: k.key, Sum: k.sum, Offset: k.offset, At: l.broker.when(k.time), Share: k.share})
		}
		return err
	})
	slices.SortStableFunc(l.repeats, func(a, b history.Repeat) int { return cmp.Compare(a.At, b.At) })
	for _, r := range l.repeats {
		if !l.namespace.repeats.Knows(r.Key) && l.broker.now()-r.At < maru.IdempotencyAge {
			l.namespace.repeats.Restore(r)
		}
	}
	return err
}

// judge compares what was read with what was noted before.
func (l *loading) judge() {
	log := l.broker.options.Logger.With(slog.String("namespace", l.stream.namespace))
	lost := l.behind()
	if l.damaged+l.holes+len(lost) > 0 {
		l.broker.health.lost.Add(uint64(l.damaged + l.holes + len(lost)))
		log.Error("the history is not complete: NATS has lost or changed entries; their channels have a gap",
			slog.Int("damaged_entries", l.damaged), slog.Int("missing_entries", l.holes), slog.Any("channels", lost[:min(len(lost), 10)]))
	}
	number := uint64(0) // up to here the heads of all channels are known
	if acknowledged := l.acknowledged(); l.last > acknowledged {
		number = l.remember(lost)
	} else {
		l.owner.Epoch = history.NewEpoch()
		l.history.Renew(l.owner.Epoch)
		l.headsLog.forced = true
		l.broker.health.lost.Add(1)
		log.Error("a history begins a new epoch: NATS has lost acknowledged publications",
			slog.Uint64("acknowledged", acknowledged), slog.Uint64("stored", l.last-1))
	}
	l.history.Lost(highestMissing(l.missing, l.prevs, number))
}

// acknowledged is the highest number that is known to have been acknowledged.
func (l *loading) acknowledged() uint64 {
	n := l.owner.Last
	if l.known.usable(l.owner.Epoch) {
		n = max(n, l.known.at.number)
	}
	if seen := l.broker.place(l.stream.namespace).acknowledged(); seen.Epoch == l.owner.Epoch {
		n = max(n, seen.Offset)
	}
	return n
}

// remember takes over the heads of the checkpoints, and returns the number up to which they are known.
func (l *loading) remember(lost []string) (number uint64) {
	if !l.known.usable(l.owner.Epoch) {
		return 0
	}
	for _, name := range lost {
		h := l.known.heads[history.StableHash(name)]
		l.history.Behind(name, h.head, h.version)
	}
	l.history.Retaining(func(name string, _, _ uint64) { delete(l.known.heads, history.StableHash(name)) })
	for _, h := range l.known.heads {
		l.history.Remember(h.channel, h.head, h.version)
	}
	l.history.Lost(l.known.at.removed)
	return l.known.at.number
}

// highestMissing returns the highest offset that an unknown channel may have had: one that is
// missing, above the number up to which all are known, and not the previous offset of one that is
// there. 0 if there is none.
func highestMissing(missing []span, prevs map[uint64]struct{}, known uint64) uint64 {
	for i := len(missing) - 1; i >= 0; i-- {
		for n := missing[i].to; n >= missing[i].from && n > known; n-- {
			if _, known := prevs[n]; !known {
				return n
			}
		}
	}
	return 0
}
