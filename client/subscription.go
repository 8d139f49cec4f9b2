package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"maru.example/maru"
)

// Subscription delivers the events of one channel to the program.
type Subscription struct {
	c       *Client
	channel string
	o       SubscribeOptions
	queue   queue

	// Guarded by Client.mu.
	link     *link
	run      int  // the number of the subscribe command that counts
	on       bool // it was answered: pushes of the channel belong to it
	resting  bool // unsubscribed until there is room in the queue
	over     bool
	attempt  int // failures in a row
	timer    *time.Timer
	blind    bool              // the history may not be read: missed publications are a gap
	behind   bool              // it rested: the publications meanwhile are fetched first
	unpaged  bool              // fetching pages does not work here
	largest  int               // bytes of a publication so far
	position *maru.Position    // of the last publication that came
	replay   int               // publications of the replay still to come
	newest   map[string]uint64 // with Latest, the offset of each key's newest
	watch    watch
}

// Subscribe subscribes to a channel and returns at once; Next returns the events. A channel
// may be subscribed more than once, each time from another position. The error is about the
// arguments. Of the errors in docs/protocol.md §3 Next returns the permanent ones; after
// others the subscription is tried again.
func (c *Client) Subscribe(channel string, o SubscribeOptions) (*Subscription, error) {
	if err := checkSubscribe(channel, o); err != nil {
		return nil, fmt.Errorf("client: subscribe: %w", err)
	}
	o.Latest = o.Latest || o.MaxHz != 0
	most := cmp.Or(o.MaxQueued, maxQueued)
	if o.Latest {
		most = max(most, maru.MaxConflatedKeys)
	}
	s := &Subscription{c: c, channel: channel, o: o, newest: make(map[string]uint64)}
	s.queue.init(most, c.queuedBytes, o.Latest)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, c.why
	}
	s.join(c.place(s))
	return s, nil
}

func checkSubscribe(channel string, o SubscribeOptions) error {
	if err := maru.CheckChannel(channel); err != nil {
		return err
	}
	switch {
	case o.Since != nil && !utf8.ValidString(o.Since.Epoch):
		return maru.NewError(maru.CodeBadPosition, "the epoch of Since is not valid UTF-8")
	case o.Last < 0 || o.Last > maru.MaxHistoryPublications:
		return maru.NewError(maru.CodeBadRequest, fmt.Sprintf("Last is %d, but must be from 1 to %d", o.Last, maru.MaxHistoryPublications))
	case maru.CheckMaxHz(o.MaxHz) != nil:
		return maru.NewError(maru.CodeBadRequest, fmt.Sprintf("MaxHz is %v, but must be from %v to %v", o.MaxHz, maru.MinHz, maru.MaxHz))
	case o.MaxQueued < 0:
		return maru.NewError(maru.CodeBadRequest, fmt.Sprintf("MaxQueued is %d, but must be 0 or more", o.MaxQueued))
	}
	return nil
}

// Channel is the channel's name.
func (s *Subscription) Channel() string { return s.channel }

// Position is the position after the last publication that Next returned. A program that
// stores it together with the result of processing that publication can continue from there
// after a restart, by SubscribeOptions.Since. It is the zero Position before the first event.
func (s *Subscription) Position() maru.Position { return s.queue.position() }

// Next waits for the next event. Errors: that of ctx; ErrUnsubscribed; ErrClosed; or the
// reason for which the server ended the subscription or the connection, after all earlier
// events. An error that is not ctx's is final.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		event, room, err := s.queue.pop()
		if room {
			s.resume()
		}
		if event != nil || err != nil {
			return event, err
		}
		select {
		case <-s.queue.ready:
		case <-ctx.Done():
		}
	}
}

// All iterates over the events from now on. It ends with Unsubscribe; any other error of Next
// is its last item. The end of the loop, however it is left, is the end of the subscription:
// a program that reads a few events and goes on later uses Next.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		defer s.Unsubscribe()
		for {
			event, err := s.Next(ctx)
			if errors.Is(err, ErrUnsubscribed) || !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Unsubscribe ends the subscription. Events that wait in the queue are discarded.
func (s *Subscription) Unsubscribe() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.over {
		return
	}
	if s.link.open && !s.resting {
		s.link.conn.ask("unsubscribe", channelCommand{s.channel}, nil)
	}
	s.finish(ErrUnsubscribed)
}

// finish ends it. c.mu is held.
func (s *Subscription) finish(why error) {
	s.over, s.on = true, false
	s.run++
	s.wait(0, nil)
	s.queue.finish(why, errors.Is(why, ErrUnsubscribed) || errors.Is(why, ErrClosed))
	l := s.link
	delete(l.subs, s.channel)
	if !l.main && len(l.subs) == 0 {
		l.ended = true
		l.stop()
	}
}

// join assigns it to a link. c.mu is held.
func (s *Subscription) join(l *link) {
	s.link = l
	l.subs[s.channel] = s
	s.resubscribe()
}

// resubscribe subscribes, if the connection is open and there is room in the queue. c.mu is held.
func (s *Subscription) resubscribe() {
	s.on = false
	s.run++
	s.wait(0, nil)
	if !s.link.open || s.over {
		return
	}
	room := s.queue.room()
	s.resting = room == 0
	switch {
	case s.resting:
	case s.behind && !s.unpaged && !s.blind && !s.o.Latest:
		s.page(min(room, maru.MaxHistoryPublications, max(1, maxPageBytes/max(1, s.largest))))
	default:
		s.subscribe()
	}
}

// lost is called when the connection is lost. c.mu is held.
func (s *Subscription) lost() {
	s.on = false
	s.run++
	s.wait(0, nil)
}

// rest unsubscribes at the server, since the queue is full. c.mu is held.
func (s *Subscription) rest() {
	s.on, s.resting, s.behind = false, true, true
	s.run++
	s.link.conn.ask("unsubscribe", channelCommand{s.channel}, nil)
}

// resume continues after rest: there is room.
func (s *Subscription) resume() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.resting {
		s.resting = false
		s.resubscribe()
	}
}

// wait calls then later, and replaces an earlier wait; nil only ends that. c.mu is held, also
// when then is called.
func (s *Subscription) wait(d time.Duration, then func()) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if then == nil {
		return
	}
	run := s.run
	s.timer = time.AfterFunc(d, func() {
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		if run == s.run {
			then()
		}
	})
}

// subscribe sends the command, with a token if the program gives one. c.mu is held.
func (s *Subscription) subscribe() {
	if s.o.Token == nil {
		s.command("")
		return
	}
	run := s.run
	s.c.running.Go(func() {
		token, err := askToken(s.c.ctx, s.o.Token)
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		switch {
		case run != s.run:
		case err != nil:
			s.failed(&failure{Code: maru.CodeUnavailable, Message: err.Error()})
		default:
			s.command(token)
		}
	})
}

func (s *Subscription) command(token string) {
	since := s.position
	if since == nil {
		since = s.o.Since
	}
	body := subscribeCommand{Channel: s.channel, MaxHz: s.o.MaxHz, Presence: s.o.Presence, Token: token}
	if s.o.Latest {
		body.Deliver = "latest"
	}
	switch {
	case since == nil:
		body.Last = s.o.Last
	case !s.blind:
		body.Since = written(since)
	}
	run := s.run
	s.link.conn.ask("subscribe", body, func(m *message, err error) {
		var f *failure
		switch {
		case run != s.run || errors.Is(err, ErrDisconnected):
		case err == nil && m.Subscribe != nil:
			s.begin(m.Subscribe, since)
		case err == nil:
			s.link.conn.fail(ending{code: closeLost, err: errors.New("the server's reply to subscribe is malformed")})
		case !errors.As(err, &f):
			s.finish(fmt.Errorf("client: subscribe: %w", err))
		case f.Code == maru.CodeNotAllowed && body.Since != "":
			// The right to subscribe does not include the right to read history.
			s.blind = true
			s.command(token)
		default:
			s.failed(f)
		}
	})
}

// begin processes the reply to subscribe. c.mu is held.
func (s *Subscription) begin(r *subscribed, since *maru.Position) {
	at := maru.Position{Epoch: r.Epoch, Offset: r.Offset}
	gap := r.Gap
	if since != nil && s.blind {
		gap = missed(*since, at)
	}
	if s.position == nil || s.position.Epoch != at.Epoch {
		clear(s.newest)
	}
	s.on, s.behind, s.attempt, s.replay = true, false, 0, r.Replay
	s.position = &at
	s.queue.begin(gap, at, &Subscribed{Position: at, Replay: r.Replay, Recovered: since != nil})
	if r.Presence != nil {
		s.whole(r.Presence)
	}
}

// failed processes an error reply, or the end of the subscription by the server. c.mu is
// held.
func (s *Subscription) failed(f *failure) {
	s.on = false
	s.run++
	if !f.passes() && (f.Code != maru.CodeTokenExpired || s.o.Token == nil) {
		s.finish(fmt.Errorf("client: %w", f))
		return
	}
	s.c.warn("the subscription failed and will be tried again", f, "channel", s.channel)
	s.wait(backoff(s.attempt, s.c.random), s.resubscribe)
	s.attempt++
}

// pushed processes a push about the channel. c.mu is held.
func (s *Subscription) pushed(m *message) {
	switch {
	case !s.on: // it belongs to the previous subscription
	case m.Publication != nil:
		s.publication(m.Publication)
	case m.Presence != nil:
		s.change(m.Presence)
	case m.Unsubscribed != nil:
		s.failed(m.Unsubscribed)
	}
}

func (s *Subscription) publication(p *maru.Publication) {
	replay := s.replay > 0
	if replay {
		s.replay--
	}
	if !s.put(p, replay) {
		s.rest()
	}
}

// put queues a publication, unless it came before. It reports false if there is no room.
func (s *Subscription) put(p *maru.Publication, replay bool) bool {
	if s.knows(p) {
		return true
	}
	after := *s.position
	after.Offset = max(after.Offset, p.Offset) // with MaxHz the keys overtake each other
	if !s.queue.publication(&Publication{*p, replay}, after) {
		return false
	}
	s.position = &after
	s.largest = max(s.largest, len(p.Data))
	if s.o.Latest && p.Offset != 0 {
		s.newest[p.Key] = p.Offset
		if len(s.newest) > 2*maru.MaxConflatedKeys {
			s.forget()
		}
	}
	return true
}

// forget forgets half of the keys, those that have been silent for longest.
func (s *Subscription) forget() {
	offsets := slices.Sorted(maps.Values(s.newest))
	middle := offsets[len(offsets)/2]
	maps.DeleteFunc(s.newest, func(_ string, offset uint64) bool { return offset < middle })
}

// page fetches publications from the time of the rest, as many as there is room for. A
// subscription instead would send all of them again and again, mostly in vain. c.mu is held.
func (s *Subscription) page(limit int) {
	since := *s.position
	run, conn := s.run, s.link.conn
	conn.ask("history", historyCommand{Channel: s.channel, Since: written(&since), Limit: limit}, func(m *message, err error) {
		switch {
		case errors.Is(err, ErrDisconnected):
			s.unpaged = s.unpaged || conn.fault != nil // the reply was too large
		case run != s.run:
		case err != nil || m.History == nil:
			s.unpaged = true
			s.subscribe()
		default:
			s.paged(m.History, since, limit)
		}
	})
}

// paged processes the reply to page. c.mu is held.
func (s *Subscription) paged(r *past, since maru.Position, limit int) {
	h := r.history()
	at := h.Start(maru.HistoryQuery{Since: &since})
	if h.Gap != nil {
		s.queue.begin(h.Gap, at, nil)
		s.position = &at
	}
	for _, p := range h.Publications {
		if !s.put(p, true) {
			s.resting = true
			return
		}
	}
	if len(h.Publications) < limit || s.position.Offset >= h.Head {
		s.behind = false
	}
	s.resubscribe()
}

// knows reports whether it, or with Latest a newer one of its key, came before. A transient
// publication has no offset, and is always new.
func (s *Subscription) knows(p *maru.Publication) bool {
	switch {
	case p.Offset == 0:
		return false
	case s.o.Latest:
		return p.Offset <= s.newest[p.Key]
	}
	return p.Offset <= s.position.Offset
}

// missed is the gap since a position, if the history may not be read.
func missed(since, now maru.Position) *maru.Gap {
	switch {
	case since.Epoch != "" && since.Epoch != now.Epoch:
		return &maru.Gap{Reason: maru.GapEpoch}
	case since.Offset < now.Offset:
		return &maru.Gap{Reason: maru.GapExpired, From: since.Offset + 1, To: now.Offset}
	}
	return nil
}
