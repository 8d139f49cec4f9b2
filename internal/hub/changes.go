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
	crowd     bool // another node had more people than are named

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
		c.hub.others.Look(c.name)
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
		c.hub.others.Unlook(c.name)
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

// newChanges begins with the current presence, and with those who have left within the grace and may be
// on their way from one node to another.
func newChanges(c *Channel) *changes {
	p := &c.presence
	ch := &changes{
		channel: c, grace: c.hub.grace, most: c.hub.most,
		named: make(map[string]struct{}, len(p.users)), version: p.version, crowd: p.crowd(),
		touched: make(map[string]struct{}), leaving: make(map[string]time.Time),
	}
	ch.signedIn, ch.anonymous = p.numbers()
	for user := range p.all() {
		ch.named[user] = struct{}{}
	}
	ch.timer = time.AfterFunc(time.Hour, ch.fire)
	ch.timer.Stop()
	now := time.Now()
	c.hub.departed.each(c.name, func(d departure) {
		if p.count(d.user) == 0 {
			ch.named[d.user] = struct{}{}
			ch.went(d.user, ch.grace-d.end.Sub(now))
		}
	})
	return ch
}

// snapshot returns the presence that was sent last.
func (ch *changes) snapshot() maru.Presence {
	s := maru.Presence{Channel: ch.channel.name, Version: ch.version, Count: ch.signedIn, Anonymous: ch.anonymous}
	if len(ch.named) > ch.most || ch.crowd {
		return s
	}
	s.Users = make([]maru.PresentUser, 0, len(ch.named))
	for user := range ch.named {
		s.Users = append(s.Users, maru.PresentUser{User: user, Connections: ch.channel.presence.count(user)})
	}
	return s
}

// joined and left are called for a person's first connection, and after the last one ended; for
// anonymous clients, for each connection.
func (ch *changes) joined(user string) {
	if user != "" {
		ch.came(user)
	}
	ch.schedule(time.Now())
}

func (ch *changes) left(user string) {
	if user != "" {
		ch.went(user, 0)
		if ch.grace > 0 {
			return
		}
	}
	ch.schedule(time.Now())
}

// came and went are joined and left for people, without sending. Somebody who went has had no
// connection for the time of silent.
func (ch *changes) came(user string) {
	delete(ch.leaving, user)
	ch.touched[user] = struct{}{}
}

func (ch *changes) went(user string, silent time.Duration) {
	if ch.grace <= silent {
		ch.touched[user] = struct{}{}
		return
	}
	end := time.Now().Add(ch.grace - silent)
	ch.leaving[user] = end
	i := len(ch.order)
	for i > 0 && end.Before(ch.order[i-1].end) {
		i--
	}
	ch.order = slices.Insert(ch.order, i, leaver{user, end})
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
	c := maru.PresenceChange{Prev: ch.version, Joined: []string{}, Left: []string{}}
	c.Count, c.Anonymous = p.numbers()
	for user := range ch.touched {
		_, named := ch.named[user]
		_, leaving := ch.leaving[user]
		switch here := p.count(user) > 0 || leaving; {
		case here && !named:
			ch.named[user] = struct{}{}
			c.Joined = append(c.Joined, user)
		case !here && named:
			delete(ch.named, user)
			c.Left = append(c.Left, user)
		}
	}
	clear(ch.touched)
	crowd := p.crowd()
	if len(c.Joined)+len(c.Left) == 0 && c.Anonymous == ch.anonymous && crowd == ch.crowd && !(crowd && c.Count != ch.signedIn) {
		return
	}
	if p.version == ch.version { // it rose when the connection ended, and was sent with another change
		p.version++
	}
	c.Version = p.version
	ch.flushed, ch.version, ch.signedIn, ch.anonymous, ch.crowd = now, p.version, c.Count, c.Anonymous, crowd
	if len(ch.named) > ch.most || crowd {
		c.Joined, c.Left = nil, nil
	}
	for _, f := range ch.followers {
		if f.count > 0 {
			f.group.Append(ch.channel.hub.forms[f.form].PresenceChange(ch.channel.name, c))
		}
	}
}
