package session

import (
	"context"
	"slices"

	"maru.example/maru"
)

type subscribe struct {
	Channel  string  `json:"channel"`
	Since    string  `json:"since"`
	Last     int     `json:"last"`
	Deliver  string  `json:"deliver"`
	MaxHz    float64 `json:"max_hz"`
	Presence bool    `json:"presence"`
	Token    string  `json:"token"`
}

type subscribed struct {
	Channel  string         `json:"channel"`
	Epoch    string         `json:"epoch"`
	Offset   uint64         `json:"offset"`
	Replay   int            `json:"replay,omitempty"`
	Gap      *maru.Gap      `json:"gap,omitempty"`
	Presence *maru.Presence `json:"presence,omitempty"`
}

const (
	maxLast = 1000
	leastHz = 0.1
	mostHz  = 1000
)

// subscribe lets a channel's publications come.
func (s *Session) subscribe(ctx context.Context, c *command, who Identity) {
	o, err := c.Subscribe.check()
	var by Identity
	if err == nil {
		by, err = s.admit(ctx, c.Subscribe, who)
	}
	if err == nil {
		err = s.room(o.Channel)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	o.User = who.User()
	told := false
	bond, err := s.conn.Subscribe(ctx, o, func(at Start) []byte {
		told = true
		return encode(reply{ID: c.ID, Subscribe: &subscribed{o.Channel, at.From.Epoch, at.From.Offset, at.Replay, at.Gap, at.Presence}})
	})
	switch {
	case err == nil:
		s.keep(bond, by)
	case told: // in the middle of the replay
		s.unsubscribed(o.Channel, err)
	default:
		s.fail(c, err)
	}
}

// check is what of the command can be judged alone.
func (c *subscribe) check() (Subscribe, error) {
	o := Subscribe{Channel: c.Channel, MaxHz: c.MaxHz, Presence: c.Presence, Latest: c.Deliver == "latest" || c.MaxHz != 0}
	if err := maru.CheckChannel(c.Channel); err != nil {
		return o, err
	}
	switch {
	case c.Deliver != "" && c.Deliver != "all" && c.Deliver != "latest":
		return o, maru.NewError(maru.CodeBadRequest, "deliver is all or latest")
	case c.Deliver == "all" && c.MaxHz != 0:
		return o, maru.NewError(maru.CodeBadRequest, "max_hz goes with deliver latest, not all")
	case c.MaxHz != 0 && (c.MaxHz < leastHz || c.MaxHz > mostHz):
		return o, maru.NewError(maru.CodeBadRequest, "max_hz is a number from 0.1 to 1000")
	case c.Last < 0 || c.Last > maxLast:
		return o, maru.NewError(maru.CodeBadRequest, "last is a number from 1 to 1000")
	case c.Since != "":
		since, err := maru.ParsePosition(c.Since)
		o.Replay = maru.HistoryQuery{Since: &since, Limit: -1}
		return o, err
	}
	o.Replay.Limit = c.Last
	return o, nil
}

// admit holds the rules against the command, and says by whose token it is allowed, if
// the command has one.
func (s *Session) admit(ctx context.Context, c *subscribe, who Identity) (by Identity, err error) {
	reader := who
	if c.Token != "" {
		if by, err = s.options.Identify(ctx, c.Token); err != nil {
			return nil, err
		}
		if u := by.User(); u != "" && u != who.User() {
			return nil, maru.NewError(maru.CodeBadToken, "the token is somebody else's")
		}
		reader = by
	}
	if err := reader.MaySubscribe(c.Channel); err != nil {
		return nil, err
	}
	if c.Presence {
		if err := reader.MayReadPresence(c.Channel); err != nil {
			return nil, err
		}
	}
	if c.Since != "" || c.Last > 0 {
		return by, reader.MayReadHistory(c.Channel)
	}
	return by, nil
}

// room says whether one more channel can come. Subscribing is one at a time, so this
// holds until keep.
func (s *Session) room(channel string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.find(channel) >= 0:
		return maru.NewError(maru.CodeBadRequest, "the channel is subscribed already")
	case len(s.channels) >= s.options.MaxChannels:
		return maru.NewError(maru.CodeBadRequest, "no more channels fit into one connection")
	}
	return nil
}

// keep adds a subscription, which ends with what by is, if that is not nil.
func (s *Session) keep(bond Subscription, by Identity) {
	s.mu.Lock()
	if s.stage == ended {
		s.mu.Unlock()
		bond.Leave()
		return
	}
	s.channels = append(s.channels, subscription{Subscription: bond})
	s.mu.Unlock()
	if by == nil {
		return
	}
	release, err := by.Watch(func(why error) { s.drop(bond, why) })
	if err != nil {
		s.drop(bond, err)
		return
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.channels, func(c subscription) bool { return c.Subscription == bond })
	if i >= 0 {
		s.channels[i].release = release
	}
	s.mu.Unlock()
	if i < 0 { // it has ended meanwhile
		release()
	}
}

// drop ends one subscription from our side and tells so.
func (s *Session) drop(bond Subscription, why error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.channels, func(c subscription) bool { return c.Subscription == bond })
	if i >= 0 {
		s.channels = slices.Delete(s.channels, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		return
	}
	bond.Leave()
	s.unsubscribed(bond.Channel(), why)
}

// unsubscribed tells that a subscription has ended, and why.
func (s *Session) unsubscribed(channel string, why error) {
	e := maru.ErrorOf(why)
	s.conn.Send(encode(push{Channel: channel, Unsubscribed: &failure{e.Code, e.Message, e.Code.Temporary()}}))
}

// find is the channel's place; -1: it is not subscribed. s.mu is held.
func (s *Session) find(channel string) int {
	return slices.IndexFunc(s.channels, func(c subscription) bool { return c.Channel() == channel })
}

// unsubscribe ends a subscription, or does nothing.
func (s *Session) unsubscribe(c *command) {
	s.mu.Lock()
	i := s.find(c.Unsubscribe.Channel)
	var left subscription
	if i >= 0 {
		left = s.channels[i]
		s.channels = slices.Delete(s.channels, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		left.leave()
	}
	s.answer(c, reply{Unsubscribe: c.Unsubscribe})
}
