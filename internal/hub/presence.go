package hub

import (
	"cmp"
	"slices"

	"maru.example/maru"
)

// presence counts the subscribers of one channel. It is guarded by Channel.mu.
type presence struct {
	version   uint64 // rises with each change, also while the channel has no state
	users     map[string]int
	signedIn  int // connections of users
	anonymous int
	watches   map[*Watch]struct{}
	changes   *changes // nil: no socket follows the changes
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
	if p.changes != nil && p.users[user] <= 1 {
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
	if p.changes != nil && p.users[user] == 0 {
		p.changes.left(user)
	}
}

func (p *presence) changed() {
	p.version++
	for w := range p.watches {
		signal(w.ready)
	}
}

// snapshot returns the presence with its users unsorted: sort them without the lock. More than
// most users are not named.
func (p *presence) snapshot(channel string, most int) maru.Presence {
	s := maru.Presence{Channel: channel, Version: p.version, Count: p.signedIn, Anonymous: p.anonymous}
	if len(p.users) > most {
		return s
	}
	s.Users = make([]maru.PresentUser, 0, len(p.users))
	for user, n := range p.users {
		s.Users = append(s.Users, maru.PresentUser{User: user, Connections: n})
	}
	return s
}

func sorted(s maru.Presence) maru.Presence {
	slices.SortFunc(s.Users, func(a, b maru.PresentUser) int { return cmp.Compare(a.User, b.User) })
	return s
}

// Presence returns the current subscribers of a channel.
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

// PresenceFollowed returns the presence that was sent last to the sockets that follow its
// changes, so that the next change follows from it. Without followers it is Presence.
func (h *Hub) PresenceFollowed(channel string) maru.Presence {
	c := h.find(channel)
	if c == nil {
		return h.Presence(channel)
	}
	c.mu.Lock()
	s := c.presence.snapshot(c.name, h.most)
	if c.presence.changes != nil {
		s = c.presence.changes.snapshot()
	}
	c.mu.Unlock()
	return sorted(s)
}

func (c *Channel) snapshot() maru.Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.presence.snapshot(c.name, c.hub.most)
}
