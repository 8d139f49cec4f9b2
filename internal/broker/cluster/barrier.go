package cluster

import (
	"context"
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

// agree returns when this node has delivered what a history shows, if it follows the channel: a
// subscriber that begins with the history then gets nothing of it again. It fails when the node is cut
// off meanwhile.
func (b *Broker) agree(ctx context.Context, channel string, at maru.Position) error {
	f := b.hold(channel)
	if f == nil {
		return nil
	}
	defer b.release(f)
	if f.place.owned() == nil {
		if err := b.barrier(ctx); err != nil {
			return err
		}
	}
	f.known(at)
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
