package socketio

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// saved is a socket whose connection broke.
type saved struct {
	id, pid, user string
	rooms         []string
	data          any
	since         uint64 // the last event before it first connected
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
		return
	}
	one := &saved{id: s.id, pid: s.pid, user: s.handshake.User, rooms: s.left, data: s.Data,
		since: s.since, until: time.Now().Add(r.MaxDisconnection)}
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
func (r *recovery) take(pid, offset, user string) (back *saved, has uint64) {
	r.trim()
	back = r.saved[pid]
	if back == nil || back.user != user {
		return nil, 0
	}
	has = back.since
	if offset != "" {
		var ok bool
		if has, ok = r.number(offset); !ok {
			return nil, 0
		}
		has = max(has, back.since) // a client keeps its offset also when it comes as a new socket
	}
	if _, ok := r.missed(back, has); !ok {
		return nil, 0
	}
	delete(r.saved, pid)
	return back, has
}

func (r *recovery) number(offset string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(offset, r.epoch+".")
	n, err := strconv.ParseUint(digits, 36, 64)
	return n, ok && err == nil
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
