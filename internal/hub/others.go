package hub

import (
	"context"
	"maps"
	"time"
)

// Others has the presence of channels on other nodes, and sends ours to them. All methods are safe
// for concurrent use. Look, Unlook and Changed must not wait and must not call the hub: it calls
// them with locks held.
type Others interface {
	// Look asks for the people that a channel has on other nodes, until Unlook. They arrive in a
	// Foreign of the channel. Calls are counted.
	Look(channel string)
	Unlook(channel string)
	// Await looks at a channel until the people of all other nodes are there. They stay for some
	// seconds. Errors: CodeUnavailable if a node does not answer in time, or this node is cut off
	// from them; ctx's cause.
	Await(ctx context.Context, channel string) error
	// Changed says that a connection of this node joined or left.
	Changed(channel, user string)
}

// alone is the Others of a server of one node.
type alone struct{}

func (alone) Look(string)                         {}
func (alone) Unlook(string)                       {}
func (alone) Await(context.Context, string) error { return nil }
func (alone) Changed(string, string)              {}

// People are the connections that a channel has on one node.
type People struct {
	Users     map[string]int // connections by user; nil if Crowd
	SignedIn  int            // connections of users
	Anonymous int            // connections without a user
	Crowd     bool           // there are more users than presence names: only the numbers count
}

// SetOthers sets where the presence of other nodes comes from. It is called once, before the hub is used.
func (h *Hub) SetOthers(o Others) { h.others, h.departed = o, newDeparted(h.grace) }

// AwaitOthers is called before Channel.Follow, so that the people of other nodes do not seem to join
// just then. It does not wait for long: a node that does not answer may have died, and those who are
// missing come as a change.
func (h *Hub) AwaitOthers(ctx context.Context, channels ...string) {
	if h.others == (alone{}) || len(channels) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, othersTime)
	defer cancel()
	for _, channel := range channels {
		h.others.Await(ctx, channel)
	}
}

const othersTime = time.Second

// Own returns the people of this node in a channel. With names, Users has only these, with 0 for
// those who are not there. Without, it has 0 for those who have left within the grace. The map is the
// caller's.
func (h *Hub) Own(channel string, names map[string]struct{}) People {
	o := h.find(channel).own(names, h.most)
	if names == nil && !o.Crowd {
		h.departed.each(channel, func(d departure) {
			if _, stays := o.Users[d.user]; d.here && !stays {
				o.Users[d.user] = 0
			}
		})
	}
	return o
}

// own is Own of a channel; nil has nobody.
func (c *Channel) own(names map[string]struct{}, most int) People {
	if c == nil {
		return (&presence{}).own(names, most)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.presence.own(names, most)
}

func (p *presence) own(names map[string]struct{}, most int) People {
	o := People{SignedIn: p.signedIn, Anonymous: p.anonymous, Crowd: len(p.users) > most}
	switch {
	case o.Crowd:
	case names == nil:
		o.Users = make(map[string]int, len(p.users))
		maps.Copy(o.Users, p.users)
	default:
		o.Users = make(map[string]int, len(names))
		for user := range names {
			o.Users[user] = p.users[user]
		}
	}
	return o
}

// Foreign is what a channel has of other nodes. It keeps the channel's state, but is no subscriber.
// One goroutine uses it.
type Foreign struct{ channel *Channel }

// Foreign returns a channel's. There is one at a time; it ends with Close.
func (h *Hub) Foreign(channel string) *Foreign {
	s := h.shard(channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := h.stateOf(s, channel)
	c.foreign = true
	return &Foreign{c}
}

// Close forgets the people of other nodes.
func (f *Foreign) Close() {
	c := f.channel
	c.mu.Lock()
	for node := range c.presence.others {
		c.replace(node, People{}, c.hub.grace) // nobody has departed
	}
	c.mu.Unlock()
	s := c.hub.shard(c.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.foreign = false
	c.unused(s)
}

// Set replaces the people of a node. Those with 0 connections have left it within the grace.
func (f *Foreign) Set(node string, o People) {
	f.channel.mu.Lock()
	defer f.channel.mu.Unlock()
	f.channel.replace(node, o, 0)
}

// Change changes the people of a node: those that are named in o.Users, and the numbers.
func (f *Foreign) Change(node string, o People) {
	f.channel.mu.Lock()
	defer f.channel.mu.Unlock()
	if o.Crowd {
		f.channel.replace(node, o, 0)
		return
	}
	f.channel.change(node, o, 0)
}

// Remove removes the people of a node that has died, and of whom nothing was seen for a time: the
// grace of those without another connection began then.
func (f *Foreign) Remove(node string, silent time.Duration) {
	f.channel.mu.Lock()
	defer f.channel.mu.Unlock()
	f.channel.replace(node, People{}, silent)
}

// replace replaces the people of another node. c.mu is held.
func (c *Channel) replace(node string, o People, silent time.Duration) {
	users := make(map[string]int, len(o.Users))
	maps.Copy(users, o.Users)
	if old := c.presence.others[node]; old != nil {
		for user := range old.Users {
			if _, stays := users[user]; !stays {
				users[user] = 0
			}
		}
	}
	o.Users = users
	c.change(node, o, silent)
}

// change changes the people of another node: those that are named, and the numbers. c.mu is held.
func (c *Channel) change(node string, o People, silent time.Duration) {
	p := &c.presence
	is := p.others[node]
	if is == nil {
		is = &People{Users: make(map[string]int)}
		if p.others == nil {
			p.others = make(map[string]*People)
		}
		p.others[node] = is
	}
	differs := is.SignedIn != o.SignedIn || is.Anonymous != o.Anonymous || is.Crowd != o.Crowd
	is.SignedIn, is.Anonymous, is.Crowd = o.SignedIn, o.Anonymous, o.Crowd
	for user, n := range o.Users {
		if is.Users[user] != n {
			differs = true
			p.set(is, user, n, silent)
		}
		if n <= 0 && p.count(user) == 0 {
			c.hub.departed.add(c.name, user, false, silent)
		}
	}
	if len(is.Users) == 0 && is.SignedIn == 0 && is.Anonymous == 0 {
		delete(p.others, node)
	}
	if !differs {
		return
	}
	p.changed()
	if p.changes != nil {
		p.changes.schedule(time.Now())
	}
}

// set sets how many connections a user has on another node.
func (p *presence) set(is *People, user string, n int, silent time.Duration) {
	before := p.count(user)
	if is.Users[user] = n; n <= 0 {
		delete(is.Users, user)
	}
	after := p.count(user)
	switch ch := p.changes; {
	case ch == nil:
	case before == 0 && after > 0:
		ch.came(user)
	case before > 0 && after == 0:
		ch.went(user, silent)
	}
}
