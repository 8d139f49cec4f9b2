package cluster

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
)

// carried is a publication on its way from the owner to the nodes.
type carried struct {
	channel     string
	epoch       string
	prev        uint64 // the channel's offset before it
	publication *maru.Publication
}

// A follower is what a node has of one channel: it delivers publications in order, each once, and
// reads what is missing from the owner's history first.
type follower struct {
	broker  *Broker
	place   *place
	channel string
	lane    atomic.Pointer[lane] // nil: it delivers what arrives by itself

	mu      sync.Mutex
	epoch   string // empty: nothing is known yet
	last    uint64
	healing bool
	waiting []carried     // meanwhile
	dropped maru.Position // the last that found no room there; zero: none
	due     []due         // publishers that wait until it is delivered
}

// due is an answer that is given when an offset was delivered.
type due struct {
	offset uint64
	answer func()
}

// maxWaiting is how many publications wait for a follower that heals. More are dropped: they are
// found in the history, too.
const maxWaiting = 10_000

// receive takes a publication.
func (f *follower) receive(c carried) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.healing {
		f.wait(c)
		return
	}
	f.deliver(c)
}

// wait keeps a publication until the follower is healed, or notes that it must be read. f.mu is held.
func (f *follower) wait(c carried) {
	switch {
	case len(f.waiting) < maxWaiting:
		f.waiting = append(f.waiting, c)
	case c.publication.Offset != 0:
		f.dropped = maru.Position{Epoch: c.epoch, Offset: c.publication.Offset}
	}
}

// deliver delivers a publication, or begins to heal. f.mu is held.
func (f *follower) deliver(c carried) {
	p := c.publication
	if p.Offset == 0 {
		f.broker.options.Sink(f.channel, maru.Position{Epoch: c.epoch}, p)
		return
	}
	if f.epoch != c.epoch {
		f.begin(maru.Position{Epoch: c.epoch, Offset: c.prev})
	}
	switch {
	case f.last < c.prev:
		f.heal(c)
	case f.last < p.Offset:
		f.last = p.Offset
		f.broker.options.Sink(f.channel, maru.Position{Epoch: c.epoch, Offset: p.Offset}, p)
		f.settle()
	}
}

// begin begins at a position: nothing was known, or the history began a new epoch, and nobody knows
// what it has lost. f.mu is held.
func (f *follower) begin(at maru.Position) {
	if f.epoch != "" {
		f.miss(&maru.Gap{Reason: maru.GapEpoch})
	}
	f.epoch, f.last = at.Epoch, at.Offset
}

// settle gives the answers that are due. f.mu is held.
func (f *follower) settle() {
	n := 0
	for n < len(f.due) && f.due[n].offset <= f.last {
		f.due[n].answer()
		n++
	}
	f.due = f.due[n:]
}

// after gives an answer when the offset was delivered, and reads it if it did not arrive.
func (f *follower) after(at maru.Position, answer func()) {
	f.mu.Lock()
	if at.Offset == 0 || f.epoch == at.Epoch && f.last >= at.Offset || f.broker.ctx.Err() != nil {
		defer f.mu.Unlock()
		answer()
		return
	}
	i, _ := slices.BinarySearchFunc(f.due, at.Offset+1, func(d due, offset uint64) int { return cmp.Compare(d.offset, offset) })
	f.due = slices.Insert(f.due, i, due{at.Offset, answer})
	l := f.lane.Load()
	if l == nil {
		if f.epoch != at.Epoch {
			f.begin(maru.Position{Epoch: at.Epoch, Offset: at.Offset - 1})
		}
		f.heal()
	}
	f.mu.Unlock()
	if l != nil {
		l.behind()
	}
}

// head compares the channel's head with what was delivered: what is missing is read.
func (f *follower) head(at maru.Position) {
	f.mu.Lock()
	behind := f.epoch != at.Epoch || f.last < at.Offset
	l := f.lane.Load()
	if l == nil {
		defer f.mu.Unlock()
		if f.epoch != at.Epoch {
			f.begin(at)
		} else if behind {
			f.heal()
		}
		return
	}
	f.mu.Unlock()
	if behind {
		l.behind()
	}
}

// heal begins to read what is missing; waiting comes after it. f.mu is held.
func (f *follower) heal(waiting ...carried) {
	f.waiting = append(f.waiting, waiting...)
	if f.healing {
		return
	}
	f.healing = true
	if !f.broker.spawn(f.read) {
		f.healed()
	}
}

// read reads what is missing until it succeeds or the broker ends.
func (f *follower) read() {
	for {
		f.mu.Lock()
		since := maru.Position{Epoch: f.epoch, Offset: f.last}
		f.mu.Unlock()
		h, err := f.broker.history(f.broker.ctx, f.channel, maru.HistoryQuery{Since: &since, Limit: -1})
		if err == nil {
			f.fill(h)
			return
		}
		select {
		case <-time.After(searchPause):
		case <-f.broker.ctx.Done():
			f.mu.Lock()
			defer f.mu.Unlock()
			f.healed()
			return
		}
	}
}

// fill delivers what was missing, and what waited, in order. What waited and is not in the history was
// not retained.
func (f *follower) fill(h maru.History) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Epoch != f.epoch {
		f.begin(maru.Position{Epoch: h.Epoch, Offset: h.Head})
		h.Publications = nil
	} else if h.Gap != nil {
		f.miss(h.Gap)
	}
	known := 0 // of what waits: what the history is not older than
	for _, c := range f.waiting {
		if c.epoch != h.Epoch || max(c.publication.Offset, c.prev) > h.Head {
			break
		}
		known++
		before := c.publication.Offset
		if before == 0 {
			before = c.prev + 1
		}
		h.Publications = f.deliverAll(h, before)
		if c.publication.Offset == 0 || c.publication.Offset > f.last {
			f.last = max(f.last, c.publication.Offset)
			f.broker.options.Sink(f.channel, maru.Position{Epoch: h.Epoch, Offset: c.publication.Offset}, c.publication)
		}
	}
	f.waiting = f.waiting[known:]
	f.deliverAll(h, math.MaxUint64)
	f.last = max(f.last, h.Head)
	f.healed()
}

// deliverAll delivers the publications of a history before an offset, and returns the others. f.mu is
// held.
func (f *follower) deliverAll(h maru.History, before uint64) []*maru.Publication {
	for i, p := range h.Publications {
		if p.Offset >= before {
			return h.Publications[i:]
		}
		if p.Offset > f.last {
			f.last = p.Offset
			f.broker.options.Sink(f.channel, maru.Position{Epoch: h.Epoch, Offset: p.Offset}, p)
		}
	}
	return nil
}

// healed ends the healing. f.mu is held.
func (f *follower) healed() {
	f.healing = false
	waiting := f.waiting
	f.waiting = nil
	f.settle()
	if f.broker.ctx.Err() != nil { // nobody reads what is missing any more
		for _, d := range f.due {
			d.answer()
		}
		f.due = nil
		return
	}
	for i, c := range waiting {
		if f.deliver(c); f.healing {
			f.waiting = append(f.waiting, waiting[i+1:]...)
			return
		}
	}
	f.catchUp()
}

// catchUp reads what found no room: a lane does not look for what it has passed. f.mu is held.
func (f *follower) catchUp() {
	at := f.dropped
	f.dropped = maru.Position{}
	if at.Offset == 0 || f.epoch == at.Epoch && f.last >= at.Offset {
		return
	}
	if f.epoch != at.Epoch {
		f.begin(maru.Position{Epoch: at.Epoch, Offset: at.Offset - 1})
	}
	f.heal()
}
