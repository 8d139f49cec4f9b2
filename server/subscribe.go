package server

import (
	"context"
	"iter"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// SubscribeOptions are the options of a subscription. The zero value asks for every publication
// from now on.
type SubscribeOptions struct {
	// Since asks for the publications after a position. An empty Epoch means the current one.
	Since *maru.Position
	// Last asks for the newest retained publications, so many. Since wins. Negative: all.
	Last int
	// Latest: while the program is slow, only the newest publication of each key waits.
	Latest bool
	// MaxHz is the most publications of each key received in a second, from maru.MinHz to
	// maru.MaxHz; it implies Latest. 0: no limit.
	MaxHz float64
}

// Delivery is a publication and its position. A transient publication has no Offset.
type Delivery struct {
	Position    maru.Position
	Publication *maru.Publication // shared by all readers, read-only
}

// Subscription is a program's subscription to a channel. Only Close is safe to call from
// another goroutine.
type Subscription struct {
	// Gap is the part of the history after Since that is no longer retained; nil: none.
	Gap *maru.Gap

	queue   *hub.Queue
	waiting []Delivery
	at      maru.Position
}

// Subscribe subscribes the program to a channel, as a client does, but no rule applies and it
// is not counted in presence. It delivers the retained publications that o asks for, then the
// live ones, without a hole or a duplicate between them. The subscription must be closed. Its
// backlog is bounded by Options. Errors: CodeBadChannel, CodeBadRequest for MaxHz out of range,
// CodeShuttingDown, ctx's.
func (s *Server) Subscribe(ctx context.Context, channel string, o SubscribeOptions) (*Subscription, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return nil, err
	}
	if err := maru.CheckMaxHz(o.MaxHz); err != nil {
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

// Next waits for the next publication. Errors: ctx's cause; CodeSlow if the backlog was exceeded; CodeGap
// if a cluster has lost publications of the channel; CodeShuttingDown. After the last three, nothing more is delivered; Subscribe with
// Since set to Position continues from there.
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

// All returns an iterator over Next. It ends with the first error, which it yields.
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

// Position returns the position of the last publication delivered.
func (sub *Subscription) Position() maru.Position { return sub.at }

// Close ends the subscription. It may be called from any goroutine, once, and not while Next
// waits.
func (sub *Subscription) Close() { sub.queue.Close() }

// History returns the retained publications of a channel, see maru.Broker. Errors:
// CodeBadChannel, CodeBadRequest for a query with both Since and Before, CodeShuttingDown, ctx's.
func (s *Server) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return maru.History{}, err
	}
	if err := q.Check(); err != nil {
		return maru.History{}, err
	}
	return s.broker.History(ctx, channel, q)
}
