package hub

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"maru.example/maru"
)

// presence counts the subscribers of one channel. It is guarded by Channel.mu.
type presence struct {
	version   uint64         // rises with each change, also while the channel has no state
	users     map[string]int // connections of this node by user
	signedIn  int            // their number
	anonymous int            // connections of this node without a user
	others    map[string]*People
	watches   map[*Watch]struct{}
	changes   *changes // nil: no socket follows the changes
}

// join counts a subscriber, and leave one less. c.mu is held.
func (c *Channel) join(user string) {
	c.presence.join(user)
	c.hub.others.Changed(c.name, user)
}

func (c *Channel) leave(user string) {
	c.presence.leave(user)
	if c.hub.departed != nil && c.presence.count(user) == 0 {
		c.hub.departed.add(c.name, user, true, 0)
	}
	c.hub.others.Changed(c.name, user)
}

func (p *presence) join(user string) {
	if user == "" {
		p.anonymous++
	} else {
		if p.users == nil {
			p.users = make(map[string]int)
		}
		p.users[user]++
		p.signedIn++
	}
	p.changed()
	if p.changes != nil && p.count(user) <= 1 {
		p.changes.joined(user)
	}
}

func (p *presence) leave(user string) {
	if user == "" {
		p.anonymous--
	} else {
		p.signedIn--
		if p.users[user]--; p.users[user] <= 0 {
			delete(p.users, user)
		}
	}
	p.changed()
	if p.changes != nil && p.count(user) == 0 {
		p.changes.left(user)
	}
}

func (p *presence) changed() {
	p.version++
	for w := range p.watches {
		signal(w.ready)
	}
}

// count returns the connections of a user on all nodes.
func (p *presence) count(user string) int {
	n := p.users[user]
	for _, o := range p.others {
		n += o.Users[user]
	}
	return n
}

// numbers returns the connections on all nodes.
func (p *presence) numbers() (signedIn, anonymous int) {
	signedIn, anonymous = p.signedIn, p.anonymous
	for _, o := range p.others {
		signedIn, anonymous = signedIn+o.SignedIn, anonymous+o.Anonymous
	}
	return signedIn, anonymous
}

// crowd reports whether another node has more people than are named.
func (p *presence) crowd() bool {
	for _, o := range p.others {
		if o.Crowd {
			return true
		}
	}
	return false
}

// all returns the users of all nodes. It is not for changing: without other nodes it is p.users.
func (p *presence) all() map[string]int {
	if len(p.others) == 0 {
		return p.users
	}
	all := make(map[string]int, len(p.users))
	maps.Copy(all, p.users)
	for _, o := range p.others {
		for user, n := range o.Users {
			all[user] += n
		}
	}
	return all
}

// snapshot returns the presence with its users unsorted: sort them without the lock. More than
// most users are not named.
func (p *presence) snapshot(channel string, most int) maru.Presence {
	s := maru.Presence{Channel: channel, Version: p.version}
	s.Count, s.Anonymous = p.numbers()
	if len(p.users) > most || p.crowd() {
		return s
	}
	all := p.all()
	if len(all) > most {
		return s
	}
	s.Users = make([]maru.PresentUser, 0, len(all))
	for user, n := range all {
		s.Users = append(s.Users, maru.PresentUser{User: user, Connections: n})
	}
	return s
}

func sorted(s maru.Presence) maru.Presence {
	slices.SortFunc(s.Users, func(a, b maru.PresentUser) int { return cmp.Compare(a.User, b.User) })
	return s
}

// Presence returns the current subscribers of a channel, of other nodes as far as they are known
// here: see AwaitPresence.
func (h *Hub) Presence(channel string) maru.Presence {
	s := h.shard(channel)
	s.mu.RLock()
	c, floor := s.channels[channel], s.floor
	s.mu.RUnlock()
	if c == nil {
		nobody := presence{version: floor}
		return nobody.snapshot(channel, h.most)
	}
	return sorted(c.snapshot())
}

// AwaitPresence returns the subscribers of a channel on all nodes. It waits for the answers of those
// whose people are not known here; on one node it does not wait. Errors: those of Others.Await.
func (h *Hub) AwaitPresence(ctx context.Context, channel string) (maru.Presence, error) {
	if err := h.others.Await(ctx, channel); err != nil {
		return maru.Presence{}, err
	}
	return h.Presence(channel), nil
}

// PresenceFollowed returns the presence that was sent last to the sockets that follow its
// changes, so that the next change follows from it. Without followers it is AwaitPresence, and the
// errors are the same.
func (h *Hub) PresenceFollowed(ctx context.Context, channel string) (maru.Presence, error) {
	if err := h.others.Await(ctx, channel); err != nil {
		return maru.Presence{}, err
	}
	c := h.find(channel)
	if c == nil {
		return h.Presence(channel), nil
	}
	c.mu.Lock()
	s := c.presence.snapshot(c.name, h.most)
	if c.presence.changes != nil {
		s = c.presence.changes.snapshot()
	}
	c.mu.Unlock()
	return sorted(s), nil
}

func (c *Channel) snapshot() maru.Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.presence.snapshot(c.name, c.hub.most)
}
