package cluster

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A node counts up once in a beat. It trusts itself for holdBeats, and the others think that it is
// dead after deadBeats: so it stops before another takes what it owns.
const (
	holdBeats = 4
	deadBeats = 5
)

// peers are the nodes of the cluster, as one of them sees them. Only its own clock counts, and only
// how far it moves on: clocks of different machines are never compared.
type peers struct {
	*link
	id   string
	beat time.Duration

	revision uint64    // of our entry; only the goroutine that counts up has it
	sent     time.Time // and when it was sent, by the clock of this machine

	mu        sync.Mutex
	revisions map[string]uint64    // of the last entry of a node that was seen
	lapses    uint64               // how often we could not count up for so long that another may have taken what we own
	seen      map[string]time.Time // when a node last counted up
	begun     time.Time            // when our own connection last came to work
	ours      time.Time            // when we last counted up; zero: never
	number    uint64
	signs     signs
	known     chan struct{} // closed when the nodes that are there have been seen
	once      sync.Once     // of known
}

func newPeers(l *link, id string, beat time.Duration) *peers {
	return &peers{link: l, id: id, beat: beat, revisions: make(map[string]uint64), seen: make(map[string]time.Time), begun: time.Now(), signs: newSigns(), known: make(chan struct{})}
}

// join counts up for the first time.
func (p *peers) join(ctx context.Context, log *slog.Logger) error {
	if err := p.count(ctx); err != nil {
		return err
	}
	return p.compareClocks(ctx, log)
}

// run counts up and watches the others until ctx ends. The node is then gone at once.
func (p *peers) run(ctx context.Context, log *slog.Logger) {
	var watching sync.WaitGroup
	watching.Go(func() { p.watch(ctx, log) })
	tick := time.NewTicker(p.beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			limited, cancel := context.WithTimeout(ctx, holdBeats*p.beat)
			begin := time.Now()
			err := p.count(limited)
			if ctx.Err() == nil {
				p.counting(begin, err, log)
			}
			if err == nil && p.number%skewEvery == 0 {
				p.compareClocks(limited, log) // it does not matter if it fails
			}
			cancel()
		case <-ctx.Done():
		}
	}
	watching.Wait()
}

// counting notes whether we could count up. The log has the first of several failures.
func (p *peers) counting(begin time.Time, err error, log *slog.Logger) {
	news := p.health.signed(begin, err)
	switch {
	case news && err != nil:
		log.Warn("NATS does not answer; publishing fails if it goes on", slog.String("node", p.id), slog.Any("err", err))
	case news:
		log.Info("NATS answers again", slog.String("node", p.id))
	}
}

// leave says to the others that the node is gone.
func (p *peers) leave() error {
	ctx, cancel := short(context.Background())
	defer cancel()
	return p.nodes.Delete(ctx, p.id)
}

func (p *peers) count(ctx context.Context) error {
	begin := time.Now()
	p.sent = p.clock()
	p.number++
	revision, err := p.nodes.Put(ctx, p.id, strconv.AppendUint(nil, p.number, 10))
	if err != nil {
		return err
	}
	p.revision = revision
	p.counted(begin)
	return nil
}

// counted notes that we have counted up.
func (p *peers) counted(begin time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if begin.Sub(p.ours) >= holdBeats*p.beat {
		p.begun = begin // what we did not see meanwhile says nothing about the others
		p.lapses++
	}
	if begin.Sub(p.ours) >= steadyBeats*p.beat {
		p.signs.begun = begin // the same
	}
	p.ours = begin
}

func (p *peers) watch(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		w, err := p.nodes.WatchAll(ctx)
		if err != nil {
			log.Warn("the nodes of the cluster cannot be watched", slog.Any("err", err))
			select {
			case <-time.After(p.beat):
			case <-ctx.Done():
			}
			continue
		}
		for e := range w.Updates() {
			p.saw(e)
		}
		w.Stop()
	}
}

func (p *peers) saw(e jetstream.KeyValueEntry) {
	if e == nil { // the end of what was there
		p.once.Do(func() { close(p.known) })
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Operation() != jetstream.KeyValuePut {
		delete(p.seen, e.Key())
		p.byeLocked(e.Key())
		return
	}
	p.countsLocked(e.Key(), e.Revision())
}

// holds reports whether the others still think that we are alive.
func (p *peers) holds() bool {
	holds, _ := p.held()
	return holds
}

// held is holds, and how often it was not so before.
func (p *peers) held() (holds bool, lapses uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.ours) < holdBeats*p.beat, p.lapses
}

// alive reports whether a node may still be alive. Of one that was never seen it says yes until it
// could have been.
func (p *peers) alive(id string) bool {
	if id == p.id {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.begun
	if at, ok := p.seen[id]; ok && at.After(last) {
		last = at
	}
	return time.Since(last) < deadBeats*p.beat
}
