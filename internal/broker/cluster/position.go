package cluster

import (
	"errors"
	"log/slog"

	"maru.example/maru"
)

// What a lane does with a follower. The lane is locked.

var errHealing = errors.New("a channel is being read already")

// pass delivers a publication that the lane has put in order.
func (f *follower) pass(c carried) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.healing { // since before it had a lane
		f.wait(c)
		return
	}
	p := c.publication
	if p.Offset != 0 && f.epoch != c.epoch {
		f.begin(maru.Position{Epoch: c.epoch, Offset: c.prev})
	}
	if p.Offset != 0 && p.Offset <= f.last {
		return
	}
	f.last = max(f.last, p.Offset)
	f.broker.options.Sink(f.channel, maru.Position{Epoch: c.epoch, Offset: p.Offset}, p)
	f.settle()
}

// has reports whether a publication was delivered, or was before the beginning.
func (f *follower) has(at maru.Position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch == at.Epoch && f.last >= at.Offset
}

// known begins at a position. It reports false if something is known already.
func (f *follower) known(at maru.Position) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epoch != "" {
		return false
	}
	f.epoch, f.last = at.Epoch, at.Offset
	f.settle()
	return true
}

// begun reports whether something is known.
func (f *follower) begun() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch != ""
}

// position is what was delivered. It reports false while the follower reads something by itself.
func (f *follower) position() (maru.Position, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maru.Position{Epoch: f.epoch, Offset: f.last}, !f.healing
}

// goesOn reports whether what a history has follows what was delivered: it is of the same epoch. If the
// history is a new one, the channel goes on behind it.
func (f *follower) goesOn(h maru.History, upTo uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epoch != h.Epoch {
		f.begin(maru.Position{Epoch: h.Epoch, Offset: min(h.Head, upTo)})
		return false
	}
	if h.Gap != nil {
		f.miss(h.Gap)
	}
	return true
}

// miss says that publications cannot be delivered any more. f.mu is held.
func (f *follower) miss(gap *maru.Gap) {
	f.broker.options.Logger.Warn("publications of a channel are lost; its subscribers are ended and recover",
		slog.String("channel", f.channel), slog.String("reason", gap.Reason), slog.Uint64("from", gap.From), slog.Uint64("to", gap.To))
	if report := f.broker.onLoss.Load(); report != nil {
		(*report)(f.channel)
	}
}

// reached notes that the owner has nothing more up to a position.
func (f *follower) reached(at maru.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epoch == at.Epoch {
		f.last = max(f.last, at.Offset)
		f.settle()
	}
}

// abandon gives all answers: the broker ends, and nothing more is read.
func (f *follower) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.due {
		d.answer()
	}
	f.due = nil
}
