package auth

import (
	"time"
)

// An attachment is one live connection of a session.
type attachment struct{ end func() }

// Attach ties a live connection to the session with this id (Identity.Session).
// A session with live connections does not expire. When it ends, by sign-out or
// because its cookie signed in with another nickname, end is called once, from
// any goroutine, maybe before Attach has returned; it should not block, because
// the answer to the sign-out waits for it.
//
// The connection calls detach when it is gone, once or more; end may be running
// meanwhile. The error's code is CodeRevoked if the session has ended already; CodeReconnect if it is
// shared between nodes and not known here: it may just have begun.
// Attaching to "", an anonymous connection, does nothing.
func (s *Sessions) Attach(session string, end func()) (detach func(), err error) {
	if session == "" {
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[session]
	if x == nil || s.expired(x) {
		return nil, s.unknown()
	}
	if len(x.live) == 0 {
		x.live = make(map[*attachment]struct{}, 1)
		s.use(x)
		s.keep(x, time.Now().Add(always))
	}
	a := &attachment{end}
	x.live[a] = struct{}{}
	return func() { s.detach(x, a) }, nil
}

func (s *Sessions) detach(x *session, a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, attached := x.live[a]; !attached {
		return
	}
	delete(x.live, a)
	switch {
	case len(x.live) > 0:
	case time.Now().Before(x.deadline):
		s.touch(x)
	default:
		s.later(s.expire(x))
	}
}
