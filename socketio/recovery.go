package socketio

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	gw "maru.example/maru/internal/gateway/socketio"
)

// Recovery lets a client whose connection broke come back as the same socket: with its id, rooms and
// Data, and with the events that it missed, in order and once. Socket.Recovered is true then. It is
// connectionStateRecovery of npm socket.io.
//
// It is kept in memory, by the node on which the client was: not across a restart, and only if the
// client comes back to the same node. Each event gets its offset, a string, as a further argument;
// those with an ack, and volatile ones, are not kept. An event to a room is then sent to its members
// one by one.
type Recovery struct {
	// MaxDisconnection is the time that a client has. Default 2 minutes.
	MaxDisconnection time.Duration
	// Middleware is called for a socket that comes back, too. Default: only for new ones. It is
	// skipMiddlewares of npm socket.io, the other way round.
	Middleware bool
	// MaxBytes is the most bytes of events that a namespace keeps. Default 16 MiB. A client that has
	// missed older ones comes as a new socket.
	MaxBytes int
}

const (
	maxSaved = 10_000      // breaks in a namespace, after each of which a client may come back; the oldest is forgotten
	unsure   = time.Minute // how long before the end of its connection a client may have missed events
)

// recovery is what a namespace keeps. It is guarded by Namespace.mu. nil: nothing is kept.
type recovery struct {
	Recovery
	epoch  string
	last   uint64 // number of the last event; an offset is EPOCH.NUMBER
	events []kept // with consecutive numbers
	bytes  int
	live   map[string]*Socket // by pid
	saved  map[string]*saved  // by pid
	broken []*saved           // these, and those that came back, the oldest first
	timer  *time.Timer
}

// kept is an event, with the offset in it.
type kept struct {
	envelope
	number uint64
	only   string // the id of the one socket that it is for; empty: those of the envelope
	at     time.Time
}

// saved is a socket whose connection broke.
type saved struct {
	id, pid, user string
	rooms         []string
	data          any
	since         uint64 // the last event before it first connected
	until         time.Time
}

func newRecovery(o *Recovery) *recovery {
	if o == nil {
		return nil
	}
	r := &recovery{Recovery: *o, epoch: gw.NewID()[:8], live: make(map[string]*Socket), saved: make(map[string]*saved)}
	r.MaxDisconnection = cmp.Or(r.MaxDisconnection, 2*time.Minute)
	r.MaxBytes = cmp.Or(r.MaxBytes, 16<<20)
	return r
}

// stamp adds the offset to an event, and keeps it if it can be missed: else it has the offset of the
// last one that was kept.
func (r *recovery) stamp(e envelope, only string, keep bool) envelope {
	if r == nil {
		return e
	}
	if keep {
		r.last++
	}
	end := len(e.text) - 1 // the bracket of the array
	text := append(make([]byte, 0, len(e.text)+30), e.text[:end]...)
	text = append(append(text, `,"`...), r.epoch...)
	text = append(strconv.AppendUint(append(text, '.'), r.last, 36), `"]`...)
	e.text = text
	if keep {
		r.events = append(r.events, kept{e, r.last, only, time.Now()})
		r.bytes += e.size()
		r.trim()
	}
	return e
}

// trim forgets what is too much or too old.
func (r *recovery) trim() {
	now, n := time.Now(), 0
	for n < len(r.events) && (r.bytes > r.MaxBytes || now.Sub(r.events[n].at) > r.MaxDisconnection+unsure) {
		r.bytes -= r.events[n].size()
		r.events[n] = kept{}
		n++
	}
	r.events = r.events[n:]
	for len(r.broken) > 0 && (now.After(r.broken[0].until) || len(r.broken) > maxSaved) {
		if one := r.broken[0]; r.saved[one.pid] == one {
			delete(r.saved, one.pid)
		}
		r.broken[0], r.broken = nil, r.broken[1:]
	}
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

// idle reports whether nothing is kept for anybody.
func (r *recovery) idle() bool { return r == nil || len(r.saved) == 0 }
