package socketio

import (
	"encoding/base64"
	"hash/fnv"
	"io"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/shares"
)

// Connection state recovery: a client whose connection broke comes back with the pid that it got
// from Connect, and with the position of the last message that it has. It gets its channels, and
// what it missed of them, from their histories; or it begins anew.
//
// One position says what a client has of several channels as long as its messages came in the order
// of offsets of one history. A replay behind other channels breaks that order: see tailored. Conflation
// does too: see conflatedForm.

// history is what a Conn keeps for its recovery: its channels, and from where it has them.
type history struct {
	pid     id
	unsound bool      // it cannot be recovered; beside pid, where it takes no room
	of      *channels // nil: as if they were zero, so that a client without channels costs nothing
}

// channels are those of a client, and how it gets them.
type channels struct {
	rooms  []room
	begun  uint64    // the hash of the offset that the client came with: it has received nothing since
	tailor *tailored // gets its publications; nil: it does itself
	coming *saved    // it has come back, and its Resume is under way
	joins  uint32    // subscriptions so far; those that came back are one
	plain  uint32    // the hash of the history of all its messages without a list
}

// channels are to be changed.
func (h *history) channels() *channels {
	if h.of == nil {
		h.of = new(channels)
	}
	return h.of
}

// now is what channels has, to be read.
func (h *history) now() channels {
	if h.of == nil {
		return channels{}
	}
	return *h.of
}

// room is a channel of a client.
type room struct {
	session.Resumption
	joined uint32 // the number of the subscription on its connection
	listed bool   // all its messages have lists
}

// Joined notes a subscription that begins. The client is sent nothing of it while the disk has
// the session without it. On an error the client begins anew.
func (c *Conn) Joined(o session.Join, mode hub.Mode, first session.Subscribed) (hub.Receiver, error) {
	m, is := c.gateway.speaker.(*mapping)
	if !is {
		return nil, nil
	}
	pid, isFirst, to := c.joined(o, mode, first)
	if isFirst {
		m.saved.begins(pid, c)
	}
	err := c.settled(m.journal.changing(pid))
	if to == nil || mode != (hub.Mode{}) {
		return nil, err
	}
	return to, err
}

// settled waits for a commit, nil: there is none. If it has failed the session ends, and is not saved.
func (c *Conn) settled(change *commit) error {
	if change == nil {
		return nil
	}
	<-change.done
	if change.err == nil {
		return nil
	}
	c.mu.Lock()
	c.history.unsound = true
	c.mu.Unlock()
	c.Close(errNotChanged)
	return errNotChanged
}

var errNotChanged = maru.NewError(maru.CodeUnavailable, "the server's disk cannot be written, and still has the channels as they were before: reconnect and subscribe again")

func (c *Conn) joined(o session.Join, mode hub.Mode, first session.Subscribed) (pid id, isFirst bool, to *tailored) {
	r := room{Resumption: session.Resumption{Channel: first.Channel, Since: first.From, Latest: o.Latest, MaxHz: o.MaxHz,
		Presence: o.Presence, Conflated: mode != hub.Mode{}}}
	c.mu.Lock()
	h, s := &c.history, c.history.channels()
	before := s.tailor
	if !r.Conflated {
		s.number(c, &r, first.Replay > 0)
	}
	s.note(r)
	all := historiesOf(s.rooms)
	h.unsound = h.unsound || len(all) > maxHistories
	pid, isFirst, to = h.pid, len(s.rooms) == 1, s.tailor
	c.mu.Unlock()
	if to != before {
		c.Divert(to, to.begin)
	}
	if to != nil && !r.Conflated {
		to.coming(r.joined, all)
	}
	return pid, isFirst, to
}

// number gives a room its number, and tailors the messages if the room makes one position too little.
func (s *channels) number(c *Conn, r *room, replay bool) {
	s.joins++
	plain := placeOf(r.Channel, r.Since).hash()
	if s.joins == 1 {
		s.plain = plain
	}
	if s.tailor == nil && (s.plain != plain || replay && (s.joins > 1 || s.begun != 0)) {
		s.tailor = newTailored(c, s.joins-1)
	}
	r.joined, r.listed = s.joins, s.tailor != nil
}

// Present sends the presence of a channel to a client that came back.
func (c *Conn) Present(here maru.Presence) {
	c.Deliver(event("presence", appendString(here.Channel), encode(here)))
}

// historiesOf are the histories of rooms of which positions say something.
func historiesOf(rooms []room) (all []place) {
	for _, r := range rooms {
		if p := placeOf(r.Channel, r.Since); !r.Conflated && !slices.ContainsFunc(all, p.same) {
			all = append(all, p)
		}
	}
	return all
}

// left notes that a subscription has ended, and then calls done: at once, or when the disk has not the
// session with it any more. The session's own list is not asked: a client may have messages of a
// channel before the session has noted it.
func (c *Conn) left(channel string, done func()) {
	c.mu.Lock()
	s := c.history.channels()
	s.rooms = slices.DeleteFunc(slices.Clone(s.rooms), func(r room) bool { return r.Channel == channel })
	pid := c.history.pid
	c.mu.Unlock()
	var change *commit
	if m, is := c.gateway.speaker.(*mapping); is {
		change = m.journal.changing(pid)
	}
	if change == nil {
		done()
		return
	}
	go func() {
		if c.settled(change) == nil {
			done()
		}
	}()
}

// note adds a room, or replaces it. What was given away is not changed.
func (s *channels) note(r room) {
	s.rooms = append(slices.DeleteFunc(slices.Clone(s.rooms), func(o room) bool { return o.Channel == r.Channel }), r)
}

// save keeps the session for a client whose connection broke. A client that has left, or was
// dismissed, does not come back.
func (m *mapping) save(c *Conn) {
	c.mu.Lock()
	pid := c.history.pid
	c.mu.Unlock()
	if m.saved.ends(pid, c) {
		m.journal.forget(pid)
	}
}

// stateOf encodes a session for the journal; nil: there is nothing to keep.
func (m *mapping) stateOf(pid id) ([]byte, shares.Holder) {
	one := m.saved.find(pid)
	if one == nil || len(one.rooms) == 0 {
		return nil, 0
	}
	return appendState(nil, m.journal.run, one), one.holder
}

// snapshot is what a client gets back, once; nil: nothing. over reports that there is nothing any more,
// not even by another connection.
func (c *Conn) snapshot() (one *saved, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved {
		return nil, false
	}
	one = c.kept()
	c.saved = one != nil
	return one, one == nil
}

// over reports whether what the connection had is saved, or its end was handled.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved || c.stage == afterPoll
}

// kept is what a client would get back now. c.mu is held.
func (c *Conn) kept() *saved {
	s := c.history.now()
	switch {
	case c.saved || c.history.unsound || c.finished:
		return nil
	case s.coming != nil: // it broke again before it was answered
		return s.coming
	case !c.answered:
		return nil
	}
	var nonce [4]byte
	if s.tailor != nil {
		nonce = s.tailor.nonce
	}
	return &saved{nonce: nonce, socket: c.socket, user: c.Identity().User, rooms: s.rooms, begun: s.begun, holder: c.Entry().Holder()}
}

// Gone saves the session before it ends early.
func (c *Conn) Gone() {
	c.gateway.speaker.Closed(c)
	c.Multiplex.Gone()
}

// resumption is the session's command for a client that comes back; ok is false if it cannot.
func (m *mapping) resumption(c *Conn, auth connectAuth) (resume session.Resume, ok bool) {
	var pid id
	if len(auth.PID) != base64.RawURLEncoding.EncodedLen(len(pid)) {
		return resume, false
	}
	if _, err := base64.RawURLEncoding.Decode(pid[:], []byte(auth.PID)); err != nil {
		return resume, false
	}
	one := m.saved.take(pid)
	if one == nil {
		return resume, false
	}
	if one = one.advance(auth.Offset); one == nil {
		m.journal.forget(pid)
		return resume, false
	}
	c.mu.Lock()
	c.history.channels().coming, c.history.pid = one, pid
	c.mu.Unlock()
	resume = session.Resume{Ref: resumeRef, User: one.user}
	for _, r := range one.rooms {
		resume.Channels = append(resume.Channels, r.Resumption)
	}
	return resume, true
}

// advance returns the session with the positions from which a client has its channels moved to what its
// last message says, where that is later; nil: it says nothing of them.
func (s *saved) advance(last string) *saved {
	begun := hashOf(last)
	if begun == s.begun {
		return s // it has received nothing in this session: the offset is of an earlier one
	}
	next := *s
	next.begun, next.rooms = begun, slices.Clone(s.rooms)
	if l, is := parseList(last); is {
		for i, r := range next.rooms {
			if !r.Conflated {
				next.rooms[i].Since = l.has(r)
			}
		}
		if l.nonce != s.nonce {
			return nil
		}
		return &next
	}
	at, err := maru.ParsePosition(last)
	if err != nil {
		return nil
	}
	for i := range next.rooms {
		r := &next.rooms[i]
		switch {
		case r.listed: // nothing of it has come
		case r.Conflated: // its messages have no position
		case at.Epoch != r.Since.Epoch:
			return nil
		default:
			r.Since.Offset = max(r.Since.Offset, at.Offset)
		}
	}
	return &next
}

// hashOf is the hash of the offset with which a client comes. A client keeps its last offset also
// when it begins anew: so an offset says something only if it is another one than at the beginning.
func hashOf(offset string) uint64 {
	if offset == "" {
		return 0
	}
	h := fnv.New64a()
	io.WriteString(h, offset)
	return h.Sum64()
}

// hash of the history.
func (p place) hash() uint32 {
	h := fnv.New32a()
	io.WriteString(h, p.namespace+"\x00"+p.Epoch)
	return h.Sum32()
}

// beginAnew answers the Connect of a client that cannot be given back what it had.
func (m *mapping) beginAnew(c *Conn) {
	c.mu.Lock()
	m.journal.forget(c.history.pid)
	if c.history.pid = newID(); c.history.of != nil {
		c.history.of.coming = nil
	}
	c.mu.Unlock()
	c.connectedAs()
}

// Rejoining says what gets the publications of a client that comes back.
func (c *Conn) Rejoining() hub.Receiver {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.history.channels()
	all := historiesOf(s.coming.rooms)
	if len(all) == 1 {
		s.plain = all[0].hash()
	}
	if len(all) <= 1 {
		return nil
	}
	s.tailor = newTailored(c, 0)
	return s.tailor
}

// comeBack answers the Connect of a client that gets back what it had. What the disk has of it says
// something else of its next messages, if these have lists or its last ones had.
func (m *mapping) comeBack(c *Conn) {
	c.mu.Lock()
	s := c.history.channels()
	one := s.coming
	c.socket, s.rooms, s.coming, s.joins = one.socket, slices.Clone(one.rooms), nil, 1
	for i := range s.rooms {
		s.rooms[i].joined, s.rooms[i].listed = 0, s.tailor != nil
	}
	pid, differs := c.history.pid, s.tailor != nil || one.nonce != [4]byte{}
	c.mu.Unlock()
	if len(one.rooms) > 0 {
		m.saved.begins(pid, c)
	}
	if !differs {
		m.journal.moved(pid)
	} else if c.settled(m.journal.changing(pid)) != nil {
		return
	}
	c.connectedAs()
}

// connectedAs answers the client's Connect.
func (c *Conn) connectedAs() {
	c.mu.Lock()
	c.answered = true
	b := []byte(`{"sid":"` + c.socket.String() + `","pid":"` + c.history.pid.String() + `"}`)
	c.mu.Unlock()
	c.Send(packet.Packet{Type: packet.Connect, ID: packet.NoID, Data: b}, nil)
}

// isComing reports whether the client's Resume is under way.
func (c *Conn) isComing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.now().coming != nil
}
