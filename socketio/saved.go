package socketio

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// saved is a socket whose connection broke.
type saved struct {
	id, pid, user string
	home          string // the node in the pid of its client
	rooms         []string
	data          any
	since         maru.Position // the last event before it first connected
	holder        shares.Holder
	until         time.Time
}

// save keeps a socket whose connection broke.
func (r *recovery) save(s *Socket) {
	if r == nil || r.live[s.pid] != s {
		return
	}
	delete(r.live, s.pid)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.broke() || !s.ready {
		r.expired(s.pid)
		return
	}
	one := &saved{id: s.id, pid: s.pid, home: s.home, user: s.handshake.User, rooms: s.left, data: s.Data,
		since: s.since, holder: s.conn.Entry().Holder(), until: time.Now().Add(r.MaxDisconnection)}
	r.saved[s.pid] = one
	r.broken = append(r.broken, one)
	r.trim()
}

// broke reports whether the connection of a socket broke. s.mu is held.
func (s *Socket) broke() bool { return s.reason == transportClose || s.reason == pingTimeout }

// awaits reports whether the client of a socket that has gone may come back.
func (r *recovery) awaits(s *Socket) bool {
	if r.live[s.pid] == s { // it is being saved
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.broke()
	}
	one := r.saved[s.pid]
	return one != nil && time.Now().Before(one.until)
}

// take returns a saved socket, which can come back once, and the number of the last event that it
// has; nil if there is none, or it has missed more than is kept.
func (r *recovery) take(pid, offset, user string) (back *saved, has maru.Position) {
	r.trim()
	back = r.saved[pid]
	if back == nil || back.user != user {
		return nil, has
	}
	has, ok := back.has(offset)
	if ok {
		_, ok = r.missed(back, has.Offset)
	}
	if !ok {
		return nil, has
	}
	delete(r.saved, pid)
	return back, has
}

// has is the last event that a client has, by its offset; ok is false if that says nothing.
func (b *saved) has(offset string) (at maru.Position, ok bool) {
	if offset == "" {
		return b.since, true
	}
	epoch, digits, _ := strings.Cut(offset, ".")
	n, err := strconv.ParseUint(digits, 36, 64)
	if err != nil || epoch != b.since.Epoch {
		return at, false
	}
	return maru.Position{Epoch: epoch, Offset: max(n, b.since.Offset)}, true // a client keeps its offset also when it comes as a new socket
}

// missed returns the events for a socket after one; ok is false if they are not all kept any more.
func (r *recovery) missed(back *saved, has uint64) (all []kept, ok bool) {
	after := r.last - has // how many
	if has > r.last || after > uint64(len(r.events)) {
		return nil, false
	}
	for _, e := range r.events[uint64(len(r.events))-after:] {
		if e.isFor(back) {
			all = append(all, e)
		}
	}
	return all, true
}

func (e *kept) isFor(back *saved) bool {
	in := func(room string) bool { return slices.Contains(back.rooms, room) }
	switch {
	case e.only != "":
		return e.only == back.id
	case e.without == back.id, slices.ContainsFunc(e.except, in):
		return false
	}
	return len(e.to) == 0 || slices.ContainsFunc(e.to, in)
}
