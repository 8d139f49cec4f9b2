package presence

import (
	"time"

	"maru.example/maru/internal/hub"
)

// A viewer is another node that looks at channels here.
type viewer struct {
	node    string
	session uint64
	watched uint64           // the number of its last watch
	sent    uint64           // the number of the last people that we sent
	views   map[string]*view // by channel
	out     message          // people that are sent next
	kept    time.Time        // when its last message came

	// What it must have received by now: what was sent until then.
	mark   uint64
	marked time.Time
}

// A view is a channel that a viewer looks at.
type view struct {
	crowd bool // it has got only numbers
}

const (
	lossIntervals  = 3  // after which what has not arrived is lost
	deadIntervals  = 20 // after which a viewer is forgotten that says nothing
	entriesAtOnce  = 64 << 10
	namesInAnEntry = 500
)

// Changed implements hub.Others.
func (p *Presence) Changed(channel, user string) {
	if p.announcing.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.announced[channel] == 0 {
		return
	}
	users := p.dirty[channel]
	if users == nil {
		users = make(map[string]struct{})
		if p.dirty[channel] = users; len(p.dirty) == 1 {
			p.signal()
		}
	}
	if user != "" {
		users[user] = struct{}{}
	}
}

// due returns how long changes must still wait; negative: there are none.
func (p *Presence) due() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dirty) == 0 {
		return -1
	}
	return max(0, time.Until(p.flushed.Add(changesInterval)))
}

// flush sends the changes to all nodes that look at their channels.
func (p *Presence) flush() {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = make(map[string]map[string]struct{})
	p.mu.Unlock()
	if len(dirty) == 0 {
		return
	}
	p.flushed = time.Now()
	for channel, users := range dirty {
		own := p.hub.Own(channel, users)
		for _, v := range p.viewers {
			switch w := v.views[channel]; {
			case w == nil:
			case w.crowd && !own.Crowd:
				p.sendPeople(v, channel, w)
			default:
				w.crowd = own.Crowd
				p.addAll(v, people{channel: channel, People: own})
			}
		}
	}
}

// sendPeople sends all our people of a channel.
func (p *Presence) sendPeople(v *viewer, channel string, w *view) {
	own := p.hub.Own(channel, nil)
	w.crowd = own.Crowd
	p.addAll(v, people{channel: channel, flags: flagAll, People: own})
}

// addAll adds an entry, in several ones if it has many users. Changes need not come together; all
// people of a channel do.
func (p *Presence) addAll(v *viewer, is people) {
	users := is.Users
	if len(users) <= namesInAnEntry {
		p.add(v, is)
		return
	}
	whole := is.flags&flagAll != 0
	is.Users = make(map[string]int, namesInAnEntry)
	for user, n := range users {
		if len(is.Users) == namesInAnEntry {
			if whole {
				is.flags |= flagMore
			}
			p.add(v, is)
			if is.Users = make(map[string]int, namesInAnEntry); whole {
				is.flags = flagPart
			}
		}
		is.Users[user] = n
	}
	p.add(v, is)
}

// add adds an entry to what is sent next.
func (p *Presence) add(v *viewer, is people) {
	v.out.people = append(v.out.people, is)
	if v.out.bytes += is.size(); v.out.bytes >= entriesAtOnce {
		p.sendOut(v)
	}
}

func (p *Presence) sendOut(v *viewer) {
	if len(v.out.people) == 0 {
		return
	}
	v.sent++
	v.out.kind, v.out.session, v.out.number = kindPeople, v.session, v.sent
	p.send(v.node, v.out)
	v.out = message{}
}

// sendAll sends what has come together.
func (p *Presence) sendAll() {
	for _, v := range p.viewers {
		p.sendOut(v)
	}
}

// send sends a message. What is lost is noticed.
func (p *Presence) send(node string, m message) { p.bus.Send(node, busKind, m.append(nil)) }

// fromViewer handles a message of a node that looks at channels here.
func (p *Presence) fromViewer(node string, m message) {
	v := p.viewers[node]
	switch {
	case m.kind == kindBegin:
		p.dropViewer(node)
		p.viewers[node] = &viewer{node: node, session: m.session, views: make(map[string]*view), kept: time.Now(), marked: time.Now()}
		return
	case v == nil || v.session != m.session:
		if m.kind != kindEnd {
			p.send(node, message{kind: kindAgain, session: m.session})
		}
		return
	case m.kind == kindEnd:
		p.dropViewer(node)
		return
	}
	v.kept = time.Now()
	if m.kind == kindWatch && m.number == v.watched+1 {
		v.watched++
		p.watched(v, m)
	} else if m.kind == kindWatch || !p.fits(v, m) {
		p.send(node, message{kind: kindAgain, session: m.session})
	}
}

// fits reports whether a keep says that nothing was lost.
func (p *Presence) fits(v *viewer, m message) bool {
	if m.number != v.watched || m.got > v.sent {
		return false
	}
	if m.got < v.mark {
		return time.Since(v.marked) < lossIntervals*p.options.Interval
	}
	v.mark, v.marked = v.sent, time.Now()
	return true
}

// watched handles a watch.
func (p *Presence) watched(v *viewer, m message) {
	for _, channel := range m.unlooked {
		if v.views[channel] != nil {
			delete(v.views, channel)
			p.announce(channel, -1)
		}
	}
	for _, channel := range m.looked {
		w := v.views[channel]
		if w == nil {
			w = new(view)
			v.views[channel] = w
			p.announce(channel, 1)
		}
		p.sendPeople(v, channel, w)
	}
}

// announce counts the nodes that look at a channel.
func (p *Presence) announce(channel string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.announced[channel] += n; p.announced[channel] == 0 {
		delete(p.announced, channel)
	}
	p.announcing.Store(int64(len(p.announced)))
}

func (p *Presence) dropViewer(node string) {
	v := p.viewers[node]
	if v == nil {
		return
	}
	delete(p.viewers, node)
	for channel := range v.views {
		p.announce(channel, -1)
	}
}

// expireViewers forgets viewers that say nothing: their last message was lost.
func (p *Presence) expireViewers() {
	for node, v := range p.viewers {
		if time.Since(v.kept) > deadIntervals*p.options.Interval {
			p.dropViewer(node)
		}
	}
}

var _ hub.Others = (*Presence)(nil)
