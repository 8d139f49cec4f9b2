package presence

import (
	"maps"
	"time"

	"maru.example/maru/internal/hub"
)

// A peer is another node whose people we look at.
type peer struct {
	node    string
	session uint64
	begun   time.Time
	asked   uint64              // the number of our last watch
	got     uint64              // the number of the last people
	pending map[string]struct{} // channels whose people have not come yet
	partial *people             // that continue in the next entry
	broken  bool                // something was lost: a new session begins soon
}

// meet begins sessions with nodes that are new. Where something was lost it begins anew, not more
// often than once in an interval.
func (p *Presence) meet() {
	nodes, _ := p.bus.Nodes()
	for _, node := range nodes {
		if node != p.bus.Node() && p.peers[node] == nil {
			one := &peer{node: node}
			p.peers[node] = one
			p.begin(one)
		}
	}
	for _, one := range p.peers {
		if one.broken && time.Since(one.begun) >= p.options.Interval/2 {
			p.begin(one)
		}
	}
}

// begin begins a session with a node, and asks for all channels.
func (p *Presence) begin(one *peer) {
	p.session++
	*one = peer{node: one.node, session: p.session, begun: time.Now(), pending: make(map[string]struct{})}
	p.send(one.node, message{kind: kindBegin, session: one.session})
	var all []string
	p.mu.Lock()
	for channel, l := range p.looks {
		if l.foreign != nil {
			all = append(all, channel)
		}
	}
	p.mu.Unlock()
	p.watch(one, all, nil)
}

// watch says which channels we look at, and at which no longer.
func (p *Presence) watch(one *peer, looked, unlooked []string) {
	if one.broken {
		return // the next session begins with all of them
	}
	for _, channel := range looked {
		one.pending[channel] = struct{}{}
	}
	for _, channel := range unlooked {
		delete(one.pending, channel)
	}
	for len(looked)+len(unlooked) > 0 {
		m := message{kind: kindWatch, session: one.session, number: one.asked + 1}
		looked, unlooked = m.take(looked, unlooked)
		one.asked++
		p.send(one.node, m)
	}
}

// lookAt begins to look at channels.
func (p *Presence) lookAt(fresh []*look) {
	channels := make([]string, 0, len(fresh))
	for _, l := range fresh {
		l.foreign = p.hub.Foreign(l.channel)
		channels = append(channels, l.channel)
	}
	for _, one := range p.peers {
		p.watch(one, channels, nil)
	}
}

// keep says to each node how far we are in its session.
func (p *Presence) keep() {
	for _, one := range p.peers {
		p.send(one.node, message{kind: kindKeep, session: one.session, number: one.asked, got: one.got})
	}
}

// forget forgets a node that is no longer alive.
func (p *Presence) forget(d departure) {
	p.dropViewer(d.node)
	if p.peers[d.node] == nil {
		return
	}
	delete(p.peers, d.node)
	p.mu.Lock()
	all := make([]*look, 0, len(p.looks))
	for _, l := range p.looks {
		all = append(all, l)
	}
	p.mu.Unlock()
	for _, l := range all {
		if l.foreign != nil {
			l.foreign.Remove(d.node, d.silent)
		}
	}
}

// fromPeer handles a message of a node whose people we look at.
func (p *Presence) fromPeer(node string, m message) {
	one := p.peers[node]
	if one == nil || one.broken || m.session != one.session {
		return // of a session that has ended
	}
	if m.kind == kindPeople && m.number <= one.got {
		return
	}
	if m.kind == kindAgain || m.number != one.got+1 {
		one.broken = true
		return
	}
	one.got++
	for i := range m.people {
		p.take(one, &m.people[i])
	}
}

// take takes what a node has said of a channel.
func (p *Presence) take(one *peer, is *people) {
	if is.flags&flagPart != 0 {
		before := one.partial
		if before == nil || before.channel != is.channel {
			one.broken = true
			return
		}
		maps.Copy(before.Users, is.Users) // not the other way round: there may be 200 parts before this one
		is.Users = before.Users
		is.flags |= before.flags & flagAll
	}
	if one.partial = nil; is.flags&flagMore != 0 {
		one.partial = is
		return
	}
	p.mu.Lock()
	l := p.looks[is.channel]
	p.mu.Unlock()
	if l == nil || l.foreign == nil {
		return
	}
	if is.flags&flagAll == 0 {
		l.foreign.Change(one.node, is.People)
		return
	}
	l.foreign.Set(one.node, is.People)
	delete(one.pending, is.channel)
}

// people is an entry of a message: some or all people of a node in a channel.
type people struct {
	channel string
	flags   byte
	hub.People
}
