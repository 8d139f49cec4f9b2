package hub

import (
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// changesInterval is the least time between two messages about presence: short enough for a
// list of people on a screen, long enough to batch many people who connect at once.
const changesInterval = 250 * time.Millisecond

// changes sends people's joins and leaves to the sockets that follow the channel's presence. It
// exists while there are followers, and is guarded by Channel.mu.
//
//	join, leave ─→ touched: people who may differ from the last message
//	                  │ at once, or changesInterval after the last message
//	                  ▼
//	               flush: one message for each form, numbered from the last one
//
// The presence that was sent last is kept (named, and the numbers): a socket begins with it,
// and every change follows from the one before. A person without a connection stays in it for
// the grace period, so that reloading a page changes nothing.
type changes struct {
	channel *Channel
	grace   time.Duration
	most    int // the most people that are named

	followers []followers

	named     map[string]struct{} // people in the presence sent last
	version   uint64              // its version
	signedIn  int                 // its numbers
	anonymous int

	touched map[string]struct{}
	leaving map[string]time.Time // the end of the grace of people without a connection
	order   []leaver             // of leaving, the first to end first; may hold people who returned
	flushed time.Time
	timer   *time.Timer
	due     time.Time // when the timer fires; zero: stopped
}

// followers are the sockets that follow presence in the same form.
type followers struct {
	form  FormID
	count int
	group *loop.Group
}

type leaver struct {
	user string
	end  time.Time
}

// Follow sends the changes of the channel's presence to a socket, in a form that encodes them,
// until Unfollow. It returns the presence that the changes begin from.
func (c *Channel) Follow(conn loop.Conn, form FormID) maru.Presence {
	c.mu.Lock()
	ch := c.presence.changes
	if ch == nil {
		ch = newChanges(c)
		c.presence.changes = ch
	}
	f := ch.followersOf(form)
	f.count++
	f.group.Add(conn)
	s := ch.snapshot()
	c.mu.Unlock()
	return sorted(s)
}

// Unfollow stops Follow. closed reports that the connection has ended: it then leaves the group
// by itself.
func (c *Channel) Unfollow(conn loop.Conn, form FormID, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.presence.changes
	f := ch.followersOf(form)
	f.count--
	if !closed {
		f.group.Remove(conn)
	}
	if !slices.ContainsFunc(ch.followers, func(f followers) bool { return f.count > 0 }) {
		ch.timer.Stop()
		c.presence.changes = nil
	}
}

func (ch *changes) followersOf(form FormID) *followers {
	i := slices.IndexFunc(ch.followers, func(f followers) bool { return f.form == form })
	if i < 0 {
		i = len(ch.followers)
		ch.followers = append(ch.followers, followers{form: form, group: ch.channel.hub.engine.NewGroup()})
	}
	return &ch.followers[i]
}

// newChanges begins with the current presence.
func newChanges(c *Channel) *changes {
	p := &c.presence
	ch := &changes{
		channel: c, grace: c.hub.grace, most: c.hub.most,
		named: make(map[string]struct{}, len(p.users)), version: p.version, signedIn: p.signedIn, anonymous: p.anonymous,
		touched: make(map[string]struct{}), leaving: make(map[string]time.Time),
	}
	for user := range p.users {
		ch.named[user] = struct{}{}
	}
	ch.timer = time.AfterFunc(time.Hour, ch.fire)
	ch.timer.Stop()
	return ch
}

// snapshot returns the presence that was sent last.
func (ch *changes) snapshot() maru.Presence {
	s := maru.Presence{Channel: ch.channel.name, Version: ch.version, Count: ch.signedIn, Anonymous: ch.anonymous}
	if len(ch.named) > ch.most {
		return s
	}
	s.Users = make([]maru.PresentUser, 0, len(ch.named))
	for user := range ch.named {
		s.Users = append(s.Users, maru.PresentUser{User: user, Connections: ch.channel.presence.users[user]})
	}
	return s
}

// joined and left are called for a person's first connection, and after the last one ended; for
// anonymous clients, for each connection.
func (ch *changes) joined(user string) {
	if user != "" {
		delete(ch.leaving, user)
		ch.touched[user] = struct{}{}
	}
	ch.schedule(time.Now())
}

func (ch *changes) left(user string) {
	now := time.Now()
	if user == "" || ch.grace <= 0 {
		if user != "" {
			ch.touched[user] = struct{}{}
		}
		ch.schedule(now)
		return
	}
	end := now.Add(ch.grace)
	ch.leaving[user] = end
	ch.order = append(ch.order, leaver{user, end})
	ch.wake(end)
}

// schedule sends the changes now, or when changesInterval is over.
func (ch *changes) schedule(now time.Time) {
	if next := ch.flushed.Add(changesInterval); now.Before(next) {
		ch.wake(next)
		return
	}
	ch.flush(now)
}

// wake makes the timer fire at that time, or earlier.
func (ch *changes) wake(at time.Time) {
	if ch.due.IsZero() || at.Before(ch.due) {
		ch.due = at
		ch.timer.Reset(time.Until(at))
	}
}

func (ch *changes) fire() {
	ch.channel.mu.Lock()
	defer ch.channel.mu.Unlock()
	if ch.channel.presence.changes != ch {
		return // the last follower has left meanwhile
	}
	now := time.Now()
	ch.due = time.Time{}
	for len(ch.order) > 0 && !now.Before(ch.order[0].end) {
		l := ch.order[0]
		ch.order = ch.order[1:]
		if ch.leaving[l.user].Equal(l.end) {
			delete(ch.leaving, l.user)
			ch.touched[l.user] = struct{}{}
		}
	}
	if len(ch.order) > 0 {
		ch.wake(ch.order[0].end)
	}
	ch.schedule(now)
}

// flush sends the changes since the last message, if there are any.
func (ch *changes) flush(now time.Time) {
	p := &ch.channel.presence
	c := maru.PresenceChange{Prev: ch.version, Version: p.version, Joined: []string{}, Left: []string{}, Count: p.signedIn, Anonymous: p.anonymous}
	for user := range ch.touched {
		_, named := ch.named[user]
		_, leaving := ch.leaving[user]
		switch here := p.users[user] > 0 || leaving; {
		case here && !named:
			ch.named[user] = struct{}{}
			c.Joined = append(c.Joined, user)
		case !here && named:
			delete(ch.named, user)
			c.Left = append(c.Left, user)
		}
	}
	clear(ch.touched)
	if len(c.Joined)+len(c.Left) == 0 && p.anonymous == ch.anonymous {
		return
	}
	ch.flushed, ch.version, ch.signedIn, ch.anonymous = now, p.version, p.signedIn, p.anonymous
	if len(ch.named) > ch.most {
		c.Joined, c.Left = nil, nil
	}
	for _, f := range ch.followers {
		if f.count > 0 {
			f.group.Append(ch.channel.hub.forms[f.form].PresenceChange(ch.channel.name, c))
		}
	}
}
