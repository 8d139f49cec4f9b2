package cluster

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// Kill ends a node as the end of its process would: nothing is given up or said.
func (b *Broker) Kill() {
	b.mu.Lock()
	b.closed, b.ended = true, true
	b.cancel(errShuttingDown)
	b.mu.Unlock()
	b.conn.Close()
	b.working.Wait()
}

// Kill ends a restore as the end of its process would.
func (r *Restorer) Kill() { r.broker.Kill() }

// Lose loses what is carried of a channel from now on, until the returned function is called.
func (b *Broker) Lose() (again func()) {
	sub := b.subs[len(b.subs)-1]
	sub.Unsubscribe()
	b.conn.Flush()
	return func() {
		sub, err := b.conn.ChanSubscribe(b.names.carriage("*"), b.arrived)
		if err != nil {
			panic(err)
		}
		b.conn.Flush()
		b.subs[len(b.subs)-1] = sub
	}
}

// Cut loses what is carried of a channel that is followed, from now on, until the returned function is called.
func (b *Broker) Cut(channel string) (again func()) {
	b.mu.Lock()
	i := b.interests[channel]
	b.mu.Unlock()
	i.sub.Unsubscribe()
	b.conn.Flush()
	return func() {
		sub, err := b.conn.ChanSubscribe(b.names.carriage(tokenOf(channel)), b.arrived)
		if err != nil {
			panic(err)
		}
		b.conn.Flush()
		b.mu.Lock()
		defer b.mu.Unlock()
		i.sub = sub
	}
}

// CutIndex does the same to the indexes of a namespace.
func (b *Broker) CutIndex(channel string) (again func()) {
	l := b.laneOf(b.placeOf(channel))
	l.sub.Unsubscribe()
	b.conn.Flush()
	return func() {
		sub, err := b.conn.ChanSubscribe(b.names.index(l.place.name), b.arrived)
		if err != nil {
			panic(err)
		}
		b.conn.Flush()
		b.mu.Lock()
		defer b.mu.Unlock()
		l.sub = sub
	}
}

// Owns reports whether a node owns a channel's namespace.
func (b *Broker) Owns(channel string) bool { return b.placeOf(channel).owned() != nil }

// Recent is recent.
var Recent = recent

// InMsgs is how many messages of a channel NATS has sent to this node; -1: it does not take it.
func (b *Broker) InMsgs(channel string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.interests[channel]
	if i == nil {
		return -1
	}
	n, _ := i.sub.Delivered()
	return n
}

// KeptMessages is how many messages the stream of records has.
func (b *Broker) KeptMessages() uint64 {
	s, err := b.js.Stream(context.Background(), b.names.keptStream())
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.Msgs
}

// Hold holds the follower of a channel until release, as who waits for a delivery does.
func (b *Broker) Hold(channel string) (release func()) {
	f := b.hold(channel)
	return func() { b.release(f) }
}

// LoseInterest is what a beat does.
func (b *Broker) LoseInterest() { b.loseInterest() }

// ForceWhole writes a whole checkpoint of a namespace.
func (b *Broker) ForceWhole(namespace string) {
	ns := b.place(namespace).owned()
	ns.headsLog.forced = true
	if err := ns.checkpoint(context.Background()); err != nil {
		panic(err)
	}
}

// HeadsMessages is how many messages the checkpoints of all namespaces have.
func (b *Broker) HeadsMessages() uint64 {
	s, err := b.js.Stream(context.Background(), b.names.headsStream())
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.Msgs
}

// WithClock is o on a machine whose clock is wrong by so much.
func (o Options) WithClock(wrong time.Duration) Options {
	o.clock = func() time.Time { return time.Now().Add(wrong) }
	return o
}

// Running is o for a node that has been running for so long.
func (o Options) Running(age time.Duration) Options {
	o.start = time.Now().Add(-age)
	return o
}

// WithRoom is o for a node that has room for so many bytes of what arrives.
func (o Options) WithRoom(bytes int64) Options {
	o.room = bytes
	return o
}

// Waiting is how many bytes have arrived and are not handled; Untaken are messages that are not yet among them.
func (b *Broker) Waiting() int64 { return b.intake.bytes.Load() }
func (b *Broker) Untaken() int   { return len(b.arrived) }

// StartHealing lets the follower of a channel wait for a history, which is read now and arrives when heal is
// called. Held is how many publications wait meanwhile.
func (b *Broker) StartHealing(ctx context.Context, channel string) (heal func(), held func() int) {
	f := b.interested(channel)
	f.mu.Lock()
	f.healing = true
	since := maru.Position{Epoch: f.epoch, Offset: f.last}
	f.mu.Unlock()
	h, err := b.history(ctx, channel, maru.HistoryQuery{Since: &since, Limit: -1})
	if err != nil {
		panic(err)
	}
	return func() { f.fill(h) }, func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.waiting)
	}
}

// MaxWaiting is how many may.
const MaxWaiting = maxWaiting

// Damaged is what the metrics have of damage.
func (b *Broker) Damaged() (replicas, lost uint64) { return b.health.odd.Load(), b.health.lost.Load() }

// Overlook lets this node believe that it has seen nothing of another one for a long time, as when a
// watch stands still.
func (b *Broker) Overlook(node string) {
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	b.peers.seen[node], b.peers.begun = time.Time{}, time.Time{}
	b.peers.revisions[node]--
}

// Dead reports whether this node would take what another one owns.
func (b *Broker) Dead(ctx context.Context, node string) (bool, error) { return b.peers.dead(ctx, node) }

// Lapse is the return of this node after it could not count up for a long time.
func (b *Broker) Lapse() {
	b.peers.mu.Lock()
	defer b.peers.mu.Unlock()
	b.peers.lapses++
}

// Take takes a namespace from a node that is alive, as if it were dead.
func (b *Broker) Take(ctx context.Context, namespace string) error {
	p := b.place(namespace)
	o, err := b.findOwner(ctx, namespace)
	if err != nil {
		return err
	}
	o.Node = ""
	if _, err := b.setOwner(ctx, o); err != nil {
		return err
	}
	p.mu.Lock()
	p.known = false
	p.mu.Unlock()
	_, _, err = p.wait(ctx)
	return err
}

// ErrEarlier is that of Agree for a history that is asked for again.
var ErrEarlier = errEarlier

// Agree is what History does with an answer that ends at a position. begun: something of the channel was
// known before the question.
func (b *Broker) Agree(ctx context.Context, channel string, at maru.Position, begun bool) error {
	f := b.hold(channel)
	defer b.release(f)
	return b.agree(ctx, f, at, begun)
}

// SetMostTaken bounds what other nodes may have in progress here, in bytes.
func (b *Broker) SetMostTaken(n int64) { b.taken = shares.New(n, "test", nil) }

// Taken is how many bytes they have.
func (b *Broker) Taken() int64 { return b.taken.Held() }
