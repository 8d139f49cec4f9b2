package cluster

import (
	"context"
	"errors"
	"time"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
)

// markSubject is the subject of a mark, which no server sends.
const markSubject = "mark"

// barrier returns when the node has handled all that had arrived before the call. An answer of an owner
// that arrives aside (Broker.askHistory) may be ahead of what that owner carried before it.
func (b *Broker) barrier(ctx context.Context) error {
	m, passed := &nats.Msg{Subject: markSubject}, make(chan struct{})
	b.marks.Store(m, passed)
	select {
	case b.arrived <- m:
	case <-ctx.Done():
		b.marks.Delete(m)
		return context.Cause(ctx)
	}
	select {
	case <-passed:
		return nil
	case <-b.ctx.Done():
		return errShuttingDown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Broker) marked(m *nats.Msg) {
	if passed, ok := b.marks.LoadAndDelete(m); ok {
		close(passed.(chan struct{}))
	}
}

// errEarlier: a history ends before what this node delivers begins. Another one does not.
var errEarlier = errors.New("a history is older than the beginning of its channel on this node")

// agree returns when this node has delivered what a history shows: a subscriber that begins with the
// history then gets nothing of it again. begun reports that something was known of the channel before
// the question: else the channel begins here, or the answer may be too old. It fails when the node is
// cut off meanwhile.
func (b *Broker) agree(ctx context.Context, f *follower, at maru.Position, begun bool) error {
	if f.place.owned() == nil {
		if err := b.barrier(ctx); err != nil {
			return err
		}
	}
	if !f.known(at) && !begun {
		return errEarlier
	}
	reached := make(chan struct{})
	f.after(at, func() { close(reached) })
	select {
	case <-reached: // nothing is missing, as almost always
		return nil
	default:
	}
	beat := time.NewTicker(b.options.Beat)
	defer beat.Stop()
	for {
		select {
		case <-reached:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-beat.C:
			if !b.peers.holds() {
				return errAway
			}
		}
	}
}
