package session

import (
	"context"
	"fmt"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Subscribe joins a channel. Errors: CodeBadChannel, CodeNotAllowed, CodeBadRequest for a
// number out of range, for a channel that is subscribed already and for more than
// Options.MaxChannels; those of Connection.Identify and Connection.Subscribe.
type Subscribe struct {
	Ref     uint64
	Channel string

	// Since asks for what was published after a position, Last for the newest that are
	// retained: 1 to maru.MaxHistoryPublications. Since wins. With neither there is no
	// replay. Both need the right to read history.
	Since *maru.Position
	Last  int

	// Latest: while the client is slow, only the newest publication of each key waits.
	Latest bool
	// MaxHz is the most publications of a key in a second, see maru.CheckMaxHz. It implies
	// Latest. 0: no limit.
	MaxHz float64

	// Presence asks for the presence, and for its changes from then on. It needs the right
	// to read presence.
	Presence bool

	// Token gives rights in this channel, instead of the connection's identity. It belongs to
	// the same person, or to nobody. The subscription ends with it. Empty: none.
	Token string
}

// Subscribed is the reply to Subscribe. Connection.Subscribe makes it.
type Subscribed struct {
	Channel  string
	From     maru.Position  // the position before the first publication of the replay, or before the live ones
	Replay   int            // publications that follow from the history
	Gap      *maru.Gap      // nil: nothing is missing
	Presence *maru.Presence // nil: it was not asked for
}

var (
	errLast       = maru.NewError(maru.CodeBadRequest, fmt.Sprintf("last must be a number from 1 to %d", maru.MaxHistoryPublications))
	errSubscribed = maru.NewError(maru.CodeBadRequest, "this connection is subscribed to the channel already")
)

func (s *Session) subscribe(ctx context.Context, c Subscribe, who auth.Identity) {
	if !s.drained(ctx) {
		return
	}
	join, err := c.join()
	var by *auth.Identity
	if err == nil {
		by, err = s.admit(ctx, c, who)
	}
	if err == nil {
		err = s.canJoin(c.Channel)
	}
	if err != nil {
		s.fail("subscribe", c.Channel, c.Ref, err)
		return
	}
	join.User = who.User
	s.joins(joining{subscription: subscription{Subscription: left(c.Channel), presence: c.Presence, by: by}})
	defer s.joins()
	sub, answered, err := s.conn.Subscribe(ctx, c.Ref, join)
	switch {
	case err == nil:
		s.keep(subscription{Subscription: sub, presence: c.Presence, by: by})
	case answered:
		s.pushEnded(c.Channel, err)
	default:
		s.fail("subscribe", c.Channel, c.Ref, err)
	}
}

// join checks the fields of the command that need no rules.
func (c Subscribe) join() (Join, error) {
	j := Join{Channel: c.Channel, Replay: maru.HistoryQuery{Limit: c.Last}, Latest: c.Latest || c.MaxHz != 0, MaxHz: c.MaxHz, Presence: c.Presence}
	if c.Since != nil {
		j.Replay = maru.HistoryQuery{Since: c.Since, Limit: -1}
	}
	if err := maru.CheckChannel(c.Channel); err != nil {
		return j, err
	}
	if err := maru.CheckMaxHz(c.MaxHz); err != nil {
		return j, err
	}
	if c.Last < 0 || c.Last > maru.MaxHistoryPublications {
		return j, errLast
	}
	return j, nil
}

// admit checks the rules for the command. by is the identity of the command's own token; nil:
// it has none.
func (s *Session) admit(ctx context.Context, c Subscribe, who auth.Identity) (by *auth.Identity, err error) {
	if c.Token != "" {
		own, err := s.conn.Identify(ctx, c.Token)
		if err != nil {
			return nil, err
		}
		if own.User != "" && own.User != who.User {
			return nil, errOtherUser
		}
		who, by = own, &own
	}
	if err := s.options.Allow(ctx, who, auth.Subscribe, c.Channel); err != nil {
		return nil, err
	}
	if c.Presence {
		if err := s.options.Allow(ctx, who, auth.Presence, c.Channel); err != nil {
			return nil, err
		}
	}
	if c.Since != nil || c.Last > 0 {
		return by, s.options.Allow(ctx, who, auth.History, c.Channel)
	}
	return by, nil
}

// canJoin reports whether the session can have one more subscription, of this channel. One
// Subscribe is carried out at a time, so this holds until keep.
func (s *Session) canJoin(channel string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.find(channel) >= 0:
		return errSubscribed
	case len(s.channels) >= s.options.MaxChannels:
		return maru.NewError(maru.CodeBadRequest, fmt.Sprintf("too many subscriptions on this connection (limit %d)", s.options.MaxChannels))
	}
	return nil
}

// keep adds a subscription, which ends when a token of its own does.
func (s *Session) keep(sub subscription) {
	s.mu.Lock()
	if s.stage == ended {
		s.mu.Unlock()
		sub.Leave()
		return
	}
	s.channels = append(s.channels, sub)
	why := s.kept(sub.Channel())
	s.mu.Unlock()
	if why != nil {
		s.end(sub.Subscription, why)
		return
	}
	if sub.by == nil {
		return
	}
	release, err := s.options.Watch(sub.by, func(why error) { s.end(sub.Subscription, why) })
	if err != nil {
		s.end(sub.Subscription, err)
		return
	}
	s.mu.Lock()
	i := s.place(sub.Subscription)
	if i >= 0 {
		s.channels[i].release = release
	}
	s.mu.Unlock()
	if i < 0 { // it has ended meanwhile
		release()
	}
}

// end ends a subscription, and sends the reason to the client. It reports whether the
// subscription had not ended before.
func (s *Session) end(sub Subscription, why error) bool {
	s.mu.Lock()
	i := s.place(sub)
	var left subscription
	if i >= 0 {
		left = s.channels[i]
		s.channels = slices.Delete(s.channels, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		return false
	}
	left.leave()
	s.pushEnded(sub.Channel(), why)
	return true
}

func (s *Session) pushEnded(channel string, why error) {
	e := maru.ErrorOf(why)
	if e.Code == maru.CodeInternal {
		s.report("subscribe", channel, why)
	}
	s.conn.Push(SubscriptionEnded{channel, e})
}

// find returns the index of the channel's subscription, and place that of sub; -1: there is
// none. s.mu is held.
func (s *Session) find(channel string) int {
	return slices.IndexFunc(s.channels, func(c subscription) bool { return c.Channel() == channel })
}

func (s *Session) place(sub Subscription) int {
	return slices.IndexFunc(s.channels, func(c subscription) bool { return c.Subscription == sub })
}

// leave ends the subscription and the watch on its token.
func (c subscription) leave() {
	if c.release != nil {
		c.release()
	}
	c.Leave()
}
