package cluster

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"maru.example/maru"
)

const (
	searchPause = 100 * time.Millisecond
	searchTime  = 15 * time.Second // above the time in which a dead owner is noticed
)

// loadTime is for reading a namespace that was taken: 200,000 publications take two seconds on an idle
// machine. What waits for it gives up after searchTime, and the reading goes on.
const loadTime = 2 * time.Minute

// A place is where a namespace is: which node owns it. It is found when it is first needed, and
// again when it turns out to be wrong.
type place struct {
	broker *Broker
	name   string

	mu      sync.Mutex
	known   bool
	ours    *namespace    // known: this node owns it; nil: another does
	theirs  string        // that node
	waiting []submission  // until it is known
	found   chan struct{} // closed when the search ends; nil: there is none
	why     error         // why the last search failed
	acked   maru.Position // the highest number that this node has acknowledged as the owner
	refused string        // the other node that has just refused a question, or is away
}

// submit passes a submission on to where the namespace is, in the order of calls.
func (p *place) submit(s submission) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass(s)
}

// pass is submit with p.mu held.
func (p *place) pass(s submission) {
	switch {
	case !p.known:
		p.waiting = append(p.waiting, s)
		p.search()
	case p.ours == nil:
		p.broker.forward(p, p.theirs, s)
	case !p.ours.submit(s):
		p.waiting = append(p.waiting, s) // it has just ended: lost is about to be called
	}
}

// search begins to look for the owner. p.mu is held.
func (p *place) search() {
	if p.found != nil {
		return
	}
	p.found = make(chan struct{})
	p.broker.working.Go(func() { p.find() })
}

// wait returns when the place is known, as it is then.
func (p *place) wait(ctx context.Context) (ours *namespace, theirs string, err error) {
	for {
		p.mu.Lock()
		if p.known {
			defer p.mu.Unlock()
			return p.ours, p.theirs, nil
		}
		p.search()
		found := p.found
		p.mu.Unlock()
		select {
		case <-found:
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		case <-time.After(searchTime):
			return nil, "", errNotAvailable
		}
		p.mu.Lock()
		if err := p.why; err != nil && !p.known {
			defer p.mu.Unlock()
			return nil, "", err
		}
		p.mu.Unlock()
	}
}

// find looks for the owner, or becomes it.
func (p *place) find() {
	ctx, cancel := context.WithTimeoutCause(p.broker.ctx, searchTime, errNotAvailable)
	defer cancel()
	found := make(chan struct{})
	defer close(found)
	p.broker.spawn(func() { p.impatient(found) })
	var before error // of the last attempt: when ctx ends, it says why
	for {
		ours, theirs, err := p.look(ctx)
		if err == nil && p.refusedBy(theirs) {
			err = errNotOwner // all that waits would be sent in vain, as fast as the way is short
		}
		if ctx.Err() != nil && before != nil {
			err = before
		}
		if err == nil || !p.again(ctx, err) {
			p.settle(ours, theirs, err)
			return
		}
		before = err
	}
}

// impatient fails what waits for a namespace that takes long to read, until it is found.
func (p *place) impatient(found <-chan struct{}) {
	tick := time.NewTicker(searchTime)
	defer tick.Stop()
	for {
		select {
		case <-found:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		waiting := p.waiting
		p.waiting = nil
		p.mu.Unlock()
		for _, s := range waiting {
			s.fail(errNotAvailable)
		}
	}
}

// refusedBy reports, once, that a node has just refused a question: it has died and nobody knows yet, or it
// is reading the namespace.
func (p *place) refusedBy(theirs string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.refused
	p.refused = ""
	return theirs != "" && theirs == was
}

// again waits before another attempt, unless there should be none.
func (p *place) again(ctx context.Context, err error) bool {
	if !p.broker.peers.holds() || faultOf(err) == faultFull {
		return false // nobody waits for a cluster that is away, or has no room
	}
	select {
	case <-time.After(searchPause):
		return true
	case <-ctx.Done():
		return false
	}
}

// settle ends the search: what waited goes where the namespace is, or fails.
func (p *place) settle(ours *namespace, theirs string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.found)
	p.found, p.why = nil, nil
	waiting := p.waiting
	p.waiting = nil
	if err != nil {
		p.fails(err)
		for _, s := range waiting {
			s.fail(p.why)
		}
		return
	}
	p.known, p.ours, p.theirs = true, ours, theirs
	for _, s := range waiting {
		p.pass(s)
	}
}

// fails notes why nobody can take the namespace. The log has said it already if we are cut off.
func (p *place) fails(err error) {
	b := p.broker
	switch {
	case b.ctx.Err() != nil:
		p.why = errShuttingDown
	case !b.peers.holds():
		p.why = b.away()
	default:
		p.why = public(err)
		b.health.appended(time.Now(), err)
		b.options.Logger.Warn("no node can take a namespace", slog.String("namespace", p.name), slog.Any("err", err))
	}
}

// look asks which node owns the namespace, and takes it if no living node does. A node that drains asks
// others to take it.
func (p *place) look(ctx context.Context) (ours *namespace, theirs string, err error) {
	b := p.broker
	holds, lapses := b.peers.held()
	if !holds {
		return nil, "", b.away()
	}
	o, err := b.findOwner(ctx, p.name)
	if err != nil {
		return nil, "", err
	}
	if o.Node != "" && o.Node != b.id {
		if dead, err := b.peers.dead(ctx, o.Node); err != nil || !dead {
			return nil, o.Node, err
		}
	}
	if b.yields.Load() {
		if theirs = b.passOn(ctx, p.name); theirs != "" {
			return nil, theirs, nil
		}
	}
	if o.Epoch == "" {
		o.Epoch = b.epoch
	}
	o.Node = b.id
	o.Term++
	if o, err = b.setOwner(ctx, o); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeoutCause(b.ctx, loadTime, errNotAvailable)
	defer cancel()
	if ours, err = b.load(ctx, o); err != nil {
		return nil, "", err
	}
	b.options.Logger.Info("this node owns a namespace", slog.String("namespace", p.name), slog.Uint64("term", o.Term), slog.Uint64("last", ours.last))
	ours.lapse.Store(lapses)
	return ours, "", ours.note(ctx, false)
}

// lost forgets a namespace that has ended. What waited in it waits here.
func (p *place) lost(ns *namespace, waiting []submission, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ours == ns {
		p.known, p.ours = false, nil
		level := slog.LevelWarn
		if why == errYielded {
			level = slog.LevelInfo
		}
		p.broker.options.Logger.Log(p.broker.ctx, level, "this node no longer owns a namespace", slog.String("namespace", p.name), slog.Any("err", why))
	}
	waiting = append(waiting, p.waiting...)
	p.waiting = nil
	for _, s := range waiting {
		p.pass(s)
	}
	if !p.known {
		p.search()
	}
}

// acknowledge notes how far a namespace came that has ended here: what NATS has then must not be less.
func (p *place) acknowledge(at maru.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.acked.Epoch != at.Epoch || p.acked.Offset < at.Offset {
		p.acked = at
	}
}

func (p *place) acknowledged() maru.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

// wrong forgets that another node owns the namespace: it does not, or is dead.
func (p *place) wrong(theirs string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && p.ours == nil && p.theirs == theirs {
		p.known, p.refused = false, theirs
	}
}

// owned returns the namespace if this node owns it now.
func (p *place) owned() *namespace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ours
}

// owner returns which other node owns the namespace; empty: none, or it is not known.
func (p *place) otherOwner() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		return ""
	}
	return p.theirs
}
