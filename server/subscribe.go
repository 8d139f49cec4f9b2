package server

import (
	"context"
	"iter"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// SubscribeOptions say from where on a program wants a channel, and how. The zero value
// is: what is published from now on, all of it.
type SubscribeOptions struct {
	// Since asks for what was published after a position. An empty Epoch means the
	// current one.
	Since *maru.Position
	// Last asks for the newest that are retained, so many; Since wins. Negative: for all.
	Last int
	// Latest: while the program is slow only the newest of each key waits for it.
	Latest bool
	// MaxHz is the most that it gets of each key in a second, and implies Latest. 0: no
	// limit.
	MaxHz float64
}

// Delivery is a publication and where it is. That of a transient one has no Offset.
type Delivery struct {
	Position    maru.Position
	Publication *maru.Publication // shared by all who read it, and not to be changed
}

// Subscription is a program's place in a channel. It is for one goroutine, but for
// Close.
type Subscription struct {
	// Gap is what was asked for by Since and is no longer retained; nil: nothing.
	Gap *maru.Gap

	queue   *hub.Queue
	waiting []Delivery
	at      maru.Position
}

// Subscribe lets the program read a channel as a client does, but bound by no rule and
// not counted in presence: what is retained and was asked for, then what is
// published, with no hole and no double between the two. It must be closed. What
// waits is bounded by the backlog of Options. Errors: CodeBadChannel,
// CodeShuttingDown, ctx's.
func (s *Server) Subscribe(ctx context.Context, channel string, o SubscribeOptions) (*Subscription, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return nil, err
	}
	reader := hub.Reader{Absent: true, Mode: hub.Mode{Latest: o.Latest || o.MaxHz > 0, MaxHz: o.MaxHz}}
	q := maru.HistoryQuery{Since: o.Since, Limit: o.Last}
	if o.Since != nil {
		q.Limit = -1
	}
	queue, h, err := s.hub.Subscribe(ctx, channel, reader, q)
	if err != nil {
		return nil, err
	}
	sub := &Subscription{queue: queue, Gap: h.Gap, at: h.Start(q)}
	for _, p := range h.Publications {
		sub.waiting = append(sub.waiting, Delivery{maru.Position{Epoch: h.Epoch, Offset: p.Offset}, p})
	}
	return sub, nil
}

// Next waits for the next publication. Errors: ctx's cause; CodeSlow when more waited than
// may, CodeShuttingDown: then there is nothing more to come, and Subscribe since
// Position goes on from there.
func (sub *Subscription) Next(ctx context.Context) (Delivery, error) {
	for len(sub.waiting) == 0 {
		batch, err := sub.queue.Next(ctx)
		if err != nil {
			return Delivery{}, err
		}
		for _, d := range batch {
			sub.waiting = append(sub.waiting, Delivery{d.At, d.Publication})
		}
	}
	d := sub.waiting[0]
	sub.waiting = sub.waiting[1:]
	if d.Position.Offset != 0 {
		sub.at = d.Position
	}
	return d, nil
}

// All is Next until it fails, with that error at the end.
func (sub *Subscription) All(ctx context.Context) iter.Seq2[Delivery, error] {
	return func(yield func(Delivery, error) bool) {
		for {
			d, err := sub.Next(ctx)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// Position is up to where everything was given out.
func (sub *Subscription) Position() maru.Position { return sub.at }

// Close ends the subscription. It may be called from any goroutine, once, and not while
// Next waits.
func (sub *Subscription) Close() { sub.queue.Close() }

// History is what is retained of a channel, see maru.Broker. Errors: CodeBadChannel,
// CodeShuttingDown, ctx's.
func (s *Server) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return maru.History{}, err
	}
	return s.broker.History(ctx, channel, q)
}
