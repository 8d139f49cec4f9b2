package hub

import (
	"encoding/json"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// changesInterval is the least time between two changes of presence that are told.
const changesInterval = 250 * time.Millisecond

// changes tell the sockets that asked for it who comes and goes, by person. They exist
// while there are any, and are guarded by Channel.mu.
//
//	join, leave ─→ touched: who may differ from what was told
//	                  │ at once, or changesInterval after the last time
//	                  ▼
//	               flush: one message for all, numbered from what was told before
//
// What was told is a state of its own (told, and the numbers with it): a socket begins
// with it, and every change follows from the one before. A person who leaves is here
// until the grace is over, so that the reload of a page is no news.
type changes struct {
	channel *Channel
	grace   time.Duration
	most    int // people that are named

	sockets int
	group   *loop.Group

	told      map[string]struct{}
	version   uint64 // of the presence that was told
	signedIn  int    // and its numbers
	anonymous int

	touched map[string]struct{}
	leaving map[string]time.Time // when the grace of who has no connection is over
	order   []leaver             // of leaving, the first to end first; may hold some who came back
	flushed time.Time
	timer   *time.Timer
	due     time.Time // when the timer fires; zero: it is stopped
}

type leaver struct {
	user string
	end  time.Time
}

// change is the push of docs/protocol.md §4.
type change struct {
	Version   uint64   `json:"version"`
	Prev      uint64   `json:"prev"`
	Joined    []string `json:"joined,omitzero"`
	Left      []string `json:"left,omitzero"`
	Count     int      `json:"count"`
	Anonymous int      `json:"anonymous"`
}

// Follow lets the changes of the channel's presence come to a socket, until Unfollow,
// and answers the presence that they begin from.
func (c *Channel) Follow(conn loop.Conn) maru.Presence {
	c.mu.Lock()
	ch := c.presence.changes
	if ch == nil {
		ch = newChanges(c)
		c.presence.changes = ch
	}
	ch.sockets++
	ch.group.Add(conn)
	s := ch.snapshot()
	c.mu.Unlock()
	return sorted(s)
}

// Unfollow ends it. gone says that the connection is closed: it leaves the group by
// itself.
func (c *Channel) Unfollow(conn loop.Conn, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.presence.changes
	if !gone {
		ch.group.Remove(conn)
	}
	if ch.sockets--; ch.sockets == 0 {
		ch.timer.Stop()
		c.presence.changes = nil
	}
}

// newChanges begins with the presence as it is.
func newChanges(c *Channel) *changes {
	p := &c.presence
	ch := &changes{
		channel: c, grace: c.hub.grace, most: c.hub.most,
		group: c.hub.engine.NewGroup(),
		told:  make(map[string]struct{}, len(p.users)), version: p.version, signedIn: p.signedIn, anonymous: p.anonymous,
		touched: make(map[string]struct{}), leaving: make(map[string]time.Time),
	}
	for user := range p.users {
		ch.told[user] = struct{}{}
	}
	ch.timer = time.AfterFunc(time.Hour, ch.fire)
	ch.timer.Stop()
	return ch
}

// snapshot is the presence as it was told.
func (ch *changes) snapshot() maru.Presence {
	s := maru.Presence{Channel: ch.channel.name, Version: ch.version, Count: ch.signedIn, Anonymous: ch.anonymous}
	if len(ch.told) > ch.most {
		return s
	}
	s.Users = make([]maru.PresentUser, 0, len(ch.told))
	for user := range ch.told {
		s.Users = append(s.Users, maru.PresentUser{User: user, Connections: ch.channel.presence.users[user]})
	}
	return s
}

// came and went hear of the first connection of a person, and of the last one's end;
// of anonymous ones of each.
func (ch *changes) came(user string) {
	if user != "" {
		delete(ch.leaving, user)
		ch.touched[user] = struct{}{}
	}
	ch.schedule(time.Now())
}

func (ch *changes) went(user string) {
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

// schedule tells what has changed: now, if the last time is long enough ago.
func (ch *changes) schedule(now time.Time) {
	if next := ch.flushed.Add(changesInterval); now.Before(next) {
		ch.wake(next)
		return
	}
	ch.flush(now)
}

// wake lets the timer fire at that time, or before.
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
		return // the last socket has gone meanwhile
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

// flush tells all what has changed since the last time, if anything.
func (ch *changes) flush(now time.Time) {
	p := &ch.channel.presence
	news := change{Prev: ch.version, Version: p.version, Joined: []string{}, Left: []string{}, Count: p.signedIn, Anonymous: p.anonymous}
	for user := range ch.touched {
		_, told := ch.told[user]
		_, leaving := ch.leaving[user]
		switch here := p.users[user] > 0 || leaving; {
		case here && !told:
			ch.told[user] = struct{}{}
			news.Joined = append(news.Joined, user)
		case !here && told:
			delete(ch.told, user)
			news.Left = append(news.Left, user)
		}
	}
	clear(ch.touched)
	if len(news.Joined)+len(news.Left) == 0 && p.anonymous == ch.anonymous {
		return
	}
	ch.flushed, ch.version, ch.signedIn, ch.anonymous = now, p.version, p.signedIn, p.anonymous
	if len(ch.told) > ch.most {
		news.Joined, news.Left = nil, nil
	}
	text, err := json.Marshal(struct {
		Channel  string `json:"channel"`
		Presence change `json:"presence"`
	}{ch.channel.name, news})
	if err != nil {
		panic(err) // these types are encoded, always
	}
	ch.group.Append(loop.NewMessage(frame.Text, text))
}
