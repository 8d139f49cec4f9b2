package socketio

import (
	"errors"
	"net"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/strict"
)

// Recovered reports whether the client has come back as the socket that it was: see Recovery.
func (s *Socket) Recovered() bool { return s.recovered }

// identify gives a socket its secret name for coming back, or makes it the one that has come back:
// Socket.IO, Connection state recovery.
func (n *Namespace) identify(s *Socket) {
	if n.recovery == nil {
		return
	}
	s.pid = gw.NewID()
	var auth struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if strict.Decode(strict.Child(s.handshake.Auth, "pid"), &auth.PID) != nil || auth.PID == "" {
		return
	}
	if offset := strict.Child(s.handshake.Auth, "offset"); offset != nil && strict.Decode(offset, &auth.Offset) != nil {
		return
	}
	n.giveWay(auth.PID)
	n.mu.Lock()
	defer n.mu.Unlock()
	back, has := n.recovery.take(auth.PID, auth.Offset, s.handshake.User)
	if back == nil {
		return
	}
	s.recovered, s.back, s.has = true, back, has
	s.id, s.pid, s.since, s.Data = back.id, back.pid, back.since, back.data
	for _, room := range back.rooms {
		s.rooms[room] = nil
	}
}

// giveWay ends a socket whose client has come back before the server has noticed that its connection
// broke.
func (n *Namespace) giveWay(pid string) {
	n.mu.Lock()
	old := n.recovery.live[pid]
	n.mu.Unlock()
	if old == nil {
		return
	}
	notify, _ := old.end(transportClose)
	go notify()    // its functions may wait
	n.takeOut(old) // if another goroutine has begun to end it
	old.conn.Conn.Conn().Terminate()
}

var errMissed = maru.NewError(maru.CodeSlow, "too many events came while the client was coming back")

// missed returns what a socket that comes back has missed; ok is false if that was forgotten while its
// middleware was called. n.mu is held.
func (n *Namespace) missed(s *Socket) (missed []kept, ok bool) {
	if s.back == nil {
		return nil, true
	}
	missed, ok = n.recovery.missed(s.back, s.has)
	s.back = nil
	return missed, ok
}

// resume sends a socket that was added what it has missed. n.mu is held, so that nothing comes before.
func (n *Namespace) resume(s *Socket, missed []kept) {
	r := n.recovery
	if r == nil {
		return
	}
	if r.live[s.pid] = s; !s.recovered {
		s.since = r.last
	}
	all := make([]*loop.Message, len(missed))
	for i := range missed {
		all[i] = missed[i].message()
	}
	if len(all) > 0 {
		s.conn.Conn.Conn().SendAll(all)
	}
}

// emit sends an event to one socket, and keeps it, also if its client may come back.
func (s *Socket) emit(e envelope, keep bool) error {
	n := s.namespace
	if n.recovery == nil {
		if s.at() == gone {
			return errGone
		}
		return s.conn.Deliver(e.message())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := s.at()
	if at == gone && !n.recovery.awaits(s) {
		return errGone
	}
	e = n.recovery.stamp(e, s.id, keep && at != connecting)
	if at == gone {
		return nil
	}
	err := s.conn.Deliver(e.message())
	if keep && errors.Is(err, net.ErrClosed) { // the end comes
		err = nil
	}
	return err
}

// forgetLater forgets what is kept when it is too old. n.mu is held.
func (n *Namespace) forgetLater() {
	r := n.recovery
	if r.idle() || r.timer != nil {
		return
	}
	r.timer = time.AfterFunc(r.MaxDisconnection+time.Second, func() {
		n.mu.Lock()
		r.timer = nil
		r.trim()
		n.forgetLater()
		n.unlisten()
		n.mu.Unlock()
		n.tidy()
	})
}

// unlisten stops receiving events for all nodes if there is nobody who can get them. n.mu is held.
func (n *Namespace) unlisten() {
	if len(n.sockets) > 0 || n.some == nil || !n.recovery.idle() {
		return
	}
	n.some.Listen(nil)
	n.some.Release()
	n.some = nil
}
