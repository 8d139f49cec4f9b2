package socketio

import (
	"hash/fnv"
	"io"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// Connection state recovery: a client whose connection broke comes back with the pid that it got
// from Connect, and with the position of the last message that it has. It gets its channels, and
// what it missed of them, from their histories; or it begins anew.
//
// One position says what a client has of several channels as long as its messages came in the order
// of offsets of one history. A replay behind other channels breaks that order: see tailored. Conflation
// does too: see conflatedForm.

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
