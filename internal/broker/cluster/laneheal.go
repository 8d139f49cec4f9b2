package cluster

import (
	"cmp"
	"context"
	"slices"
	"time"

	"maru.example/maru"
)

// A fetched is what the owner has of a channel, for a follower.
type fetched struct {
	to      *follower
	history maru.History
}

// read reads what is missing until it succeeds or the broker ends, and goes on with what waits.
func (l *lane) read(x *index, some []*follower) {
	for {
		at, all, err := l.fetch(l.broker.ctx, x, some)
		if err == nil {
			l.fill(at, all)
			return
		}
		select {
		case <-time.After(searchPause):
		case <-l.broker.ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			l.abandon()
			return
		}
	}
}

// abandon gives all answers: the broker ends, and nothing more is read. l.mu is held.
func (l *lane) abandon() {
	l.healing = false
	for _, f := range l.followers() {
		f.abandon()
	}
}

// fetch reads what some followers miss of an index; nil: what all miss up to the owner's last number.
func (l *lane) fetch(ctx context.Context, x *index, some []*follower) (at maru.Position, all []fetched, err error) {
	if x != nil {
		at = maru.Position{Epoch: x.epoch, Offset: x.to}
		for _, f := range some {
			f.known(maru.Position{Epoch: x.epoch, Offset: x.before})
		}
	} else if at, some, err = l.compare(ctx); err != nil {
		return at, nil, err
	}
	for _, f := range some {
		since, ok := f.position()
		if !ok {
			return at, nil, errHealing // it heals by itself, since before it had a lane
		}
		h, err := l.broker.history(ctx, f.channel, maru.HistoryQuery{Since: &since, Limit: -1})
		if err != nil {
			return at, nil, err
		}
		all = append(all, fetched{f, h})
	}
	return at, all, nil
}

// fill delivers what was fetched together with what waits, up to a position, in the order of numbers.
func (l *lane) fill(at maru.Position, all []fetched) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.waiting { // a channel of which something has come begins before that
		if a.index == nil && a.publication.Offset != 0 {
			if f := l.broker.followed(a.channel); f != nil {
				f.known(maru.Position{Epoch: a.epoch, Offset: a.prev})
			}
		}
	}
	var due []carried
	for _, f := range all {
		if f.history.Epoch != at.Epoch { // another owner since then
			l.healing = false
			l.heal(nil, nil)
			return
		}
		goesOn := f.to.goesOn(f.history, at.Offset)
		for _, p := range f.history.Publications {
			if goesOn && p.Offset <= at.Offset {
				due = append(due, carried{channel: f.to.channel, epoch: at.Epoch, publication: p})
			}
		}
	}
	due = l.settled(at, due)
	slices.SortStableFunc(due, func(a, b carried) int { return cmp.Compare(a.publication.Offset, b.publication.Offset) })
	for _, c := range due {
		if f := l.broker.followed(c.channel); f != nil {
			f.pass(c)
		}
	}
	for _, f := range all {
		f.to.reached(maru.Position{Epoch: at.Epoch, Offset: min(at.Offset, f.history.Head)})
	}
	for _, f := range l.followers() {
		f.known(at)
	}
	l.epoch, l.number, l.healing = at.Epoch, at.Offset, false
	l.advance()
}

// settled takes from what waits all up to a position, and adds it to what is due. Transient
// publications stay behind the one before them. l.mu is held.
func (l *lane) settled(at maru.Position, due []carried) []carried {
	var rest []arrival
	for _, a := range l.waiting {
		switch {
		case a.index != nil:
			if a.index.epoch != at.Epoch || a.index.to > at.Offset {
				rest = append(rest, a)
			}
		case a.publication.Offset == 0 || a.epoch != at.Epoch || a.publication.Offset > at.Offset:
			rest = append(rest, a)
		default:
			due = append(due, a.carried)
		}
	}
	l.waiting = rest
	return due
}

// followers are all channels that the node follows in the namespace.
func (l *lane) followers() (all []*follower) {
	for _, f := range l.broker.allFollowers() {
		if f.place == l.place {
			all = append(all, f)
		}
	}
	return all
}

// compare asks the owner how far the namespace is, and which followers are behind.
func (l *lane) compare(ctx context.Context) (at maru.Position, behind []*follower, err error) {
	all := l.followers()
	for {
		some := all[:min(len(all), compareAtOnce)]
		all = all[len(some):]
		heads, err := l.broker.askHeads(ctx, l.place, some)
		if err != nil {
			return at, nil, err
		}
		if at.Epoch == "" {
			at = heads.at
		}
		if at.Epoch != heads.at.Epoch {
			return at, nil, errNotOwner // there is another owner since the last question
		}
		at.Offset = min(at.Offset, heads.at.Offset)
		for _, f := range some {
			has, _ := f.position()
			if _, differs := heads.of[f.channel]; differs && has.Epoch != "" {
				behind = append(behind, f)
			}
		}
		if len(all) == 0 {
			return at, behind, nil
		}
	}
}
