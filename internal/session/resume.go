package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Resume gives a client that comes back the channels that it had, and what it missed of them, all
// or nothing. It comes right after Connect. Errors: CodeNotAllowed for another person, and where
// a right to subscribe or to read history is gone; CodeGap if something is missing; those of
// Connection.Rejoin.
type Resume struct {
	Ref      uint64
	User     string // that had the channels
	Channels []Resumption

	// Find, if not nil, finds User and Channels first, and may wait. Its error is that of Resume.
	Find func(ctx context.Context) (user string, channels []Resumption, err error)
}

// Resumption is a channel of Resume, and the position up to which the client has it.
type Resumption struct {
	Channel string
	Since   maru.Position

	// MaxHz, Latest and Presence are those of Join. The presence needs the right to read it.
	MaxHz    float64
	Latest   bool
	Presence bool
	// Conflated says that the client gets the newest of each key again, whatever it has: it has
	// asked for that, or the rules of the channel did. If this has changed, the channel does not come
	// back.
	Conflated bool
}

// Resumed is the reply to Resume. Connection.Rejoin sends it, before what was missed.
type Resumed struct{}

var errAnotherPerson = maru.NewError(maru.CodeNotAllowed, "the channels were another person's")

func (s *Session) resume(ctx context.Context, c Resume, who auth.Identity) {
	var err error
	if c.Find != nil {
		c.User, c.Channels, err = c.Find(ctx)
	}
	var joins []Join
	if err == nil {
		joins, err = s.resumable(ctx, c, who)
	}
	var subs []Subscription
	if err == nil {
		var all []joining
		for _, j := range joins {
			all = append(all, joining{subscription: subscription{Subscription: left(j.Channel), presence: j.Presence}})
		}
		s.joins(all...)
		defer s.joins()
		subs, err = s.conn.Rejoin(ctx, c.Ref, joins)
	}
	if err != nil {
		s.conn.Reply(c.Ref, Failed{maru.ErrorOf(err)}) // no fault of anybody's: the client begins anew
		return
	}
	for i, sub := range subs {
		s.keep(subscription{Subscription: sub, presence: joins[i].Presence})
	}
}

// resumable checks the rules for each of the channels.
func (s *Session) resumable(ctx context.Context, c Resume, who auth.Identity) ([]Join, error) {
	if who.User != c.User {
		return nil, errAnotherPerson
	}
	joins := make([]Join, len(c.Channels))
	for i, r := range c.Channels {
		for _, do := range r.actions() {
			if err := s.options.Allow(ctx, who, do, r.Channel); err != nil {
				return nil, err
			}
		}
		if err := s.canJoin(r.Channel); err != nil {
			return nil, err
		}
		joins[i] = Join{Channel: r.Channel, User: who.User, Replay: maru.HistoryQuery{Since: &r.Since, Limit: -1},
			Latest: r.Latest, MaxHz: r.MaxHz, Presence: r.Presence, Conflated: r.Conflated}
	}
	return joins, nil
}

// actions are those that the client must have the right to.
func (r *Resumption) actions() []auth.Action {
	all := []auth.Action{auth.Subscribe, auth.History}
	if r.Presence {
		all = append(all, auth.Presence)
	}
	return all
}
