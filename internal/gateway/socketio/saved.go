package socketio

import (
	"sync"
	"time"

	"maru.example/maru/internal/shares"
)

const (
	recoverWithin  = 2 * time.Minute // after the connection broke
	maxSavedBytes  = 16 << 20        // of all that may come back, about; the oldest give way
	savedBytes     = 200             // of one, without its channels
	savedRoomBytes = 72              // of one channel, without its name
)

// saved is a session whose connection broke.
type saved struct {
	socket  id
	user    string
	rooms   []room  // never changed in place
	nonce   [4]byte // of its lists; zero: it had none
	begun   uint64  // see history
	holder  shares.Holder
	expires time.Duration // since start
	bytes   int64
}

// savedSessions are those that may come back. The zero value is ready for use. Its lock comes before
// Conn.mu, and that before the journal's.
type savedSessions struct {
	journal *journal // nil: nothing survives the process

	mu     sync.Mutex
	live   map[id]*Conn // with channels, whose connections have not ended: their clients may know better
	byPID  map[id]*saved
	former map[id]former // of other processes
	order  []id          // the oldest first; some have come back already
	bytes  int64
}

// put keeps a session. s.mu is held.
func (s *savedSessions) put(pid id, one *saved) {
	one.bytes = savedBytes
	for _, r := range one.rooms {
		one.bytes += savedRoomBytes + int64(len(r.Channel))
	}
	one.expires = time.Since(start) + recoverWithin
	if s.byPID == nil {
		s.byPID = make(map[id]*saved)
	}
	s.remove(pid)
	s.byPID[pid] = one
	s.order = append(s.order, pid)
	s.bytes += one.bytes
	s.expire()
}

// keep is put, without the lock.
func (s *savedSessions) keep(pid id, one *saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(pid, one)
}

// begins notes that a connection has channels, and ends that it is over: what its client may come
// back for is kept, in one step, so that take finds the one or the other.
func (s *savedSessions) begins(pid id, c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.over() {
		return
	}
	if s.live == nil {
		s.live = make(map[id]*Conn)
	}
	s.live[pid] = c
}

func (s *savedSessions) ends(pid id, c *Conn) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[pid] == c {
		delete(s.live, pid)
	}
	one, over := c.snapshot()
	if one != nil {
		s.put(pid, one)
	}
	return over
}

// take returns a session, once; nil: there is none any more. A connection that has not ended yet
// ends: its client has another one.
func (s *savedSessions) take(pid id) *saved {
	s.mu.Lock()
	live := s.live[pid]
	delete(s.live, pid)
	s.expire()
	one := s.byPID[pid]
	s.remove(pid)
	if f, is := s.former[pid]; is {
		delete(s.former, pid)
		if time.Now().Before(f.until) {
			one = parseState(f.state)
		}
	}
	if live != nil {
		one, _ = live.snapshot()
	}
	s.mu.Unlock()
	if live != nil {
		live.Conn().Terminate()
	}
	return one
}

// find returns what a client would get back now; nil: nothing.
func (s *savedSessions) find(pid id) *saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.live[pid]; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.kept()
	}
	return s.byPID[pid]
}

// load takes over what other processes have left. It ends after recoverWithin.
func (s *savedSessions) load(left map[id]former) {
	if len(left) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.former = left
	time.AfterFunc(recoverWithin, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for pid := range s.former {
			s.journal.forget(pid)
		}
		s.former = nil
	})
}

func (s *savedSessions) remove(pid id) {
	if one := s.byPID[pid]; one != nil {
		s.bytes -= one.bytes
		delete(s.byPID, pid)
	}
}

// expire removes what is too old, or too much.
func (s *savedSessions) expire() {
	now := time.Since(start)
	for len(s.order) > 0 {
		one := s.byPID[s.order[0]]
		if one != nil && one.expires > now && s.bytes <= maxSavedBytes {
			return
		}
		if one != nil {
			s.remove(s.order[0])
			s.journal.forget(s.order[0])
		}
		s.order = s.order[1:]
	}
	s.order = nil
}
