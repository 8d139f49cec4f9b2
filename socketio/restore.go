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
	if n.shared() {
		s.home = n.server.elsewhere.kept.PID("")
	}
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
	back, has := n.backOf(auth.PID, auth.Offset, s.handshake.User)
	if back == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.recovered, s.back, s.has = true, back, has
	s.id, s.pid, s.since, s.Data = back.id, back.pid, back.since, back.data
	if back.home != "" {
		s.home = back.home
	}
	for _, room := range back.rooms {
		s.rooms[room] = nil
	}
}

// backOf takes what a client comes back for, and the last event that it has; nil: nothing.
func (n *Namespace) backOf(pid, offset, user string) (back *saved, has maru.Position) {
	if !n.shared() {
		n.giveWay(pid)
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.recovery.take(pid, offset, user)
	}
	pid, home, ok := gw.ParsePID(pid)
	if ok {
		back = n.server.elsewhere.find(n, pid, home, user)
	}
	if back == nil {
		return nil, has
	}
	if has, ok = back.has(offset); !ok || !n.inHistory(has) {
		return nil, has
	}
	return back, has
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
	if n.shared() {
		return n.caught(s)
	}
	if s.back == nil {
		return nil, true
	}
	missed, ok = n.recovery.missed(s.back, s.has.Offset)
	s.back = nil
	return missed, ok
}

// resume sends a socket that was added what it has missed. n.mu is held, so that nothing comes before.
func (n *Namespace) resume(s *Socket, missed []kept) {
	r := n.recovery
	if r == nil {
		return
	}
	if !s.recovered {
		s.since = maru.Position{Epoch: r.epoch, Offset: r.last}
	}
	if s.pid != "" {
		r.live[s.pid] = s
	}
	if n.shared() && s.pid != "" {
		n.server.elsewhere.here(s.pid, n)
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
	at := s.at()
	keep = keep && at != connecting
	if comes := at != gone || n.recovery.awaits(s); keep && comes && n.shared() {
		n.mu.Unlock()
		e.action, e.to = doOne, []string{s.id}
		return n.publish(n.channels.kept, &e, false)
	} else if !comes {
		n.mu.Unlock()
		return errGone
	}
	defer n.mu.Unlock()
	e = n.stamp(e, s.id, keep, maru.Position{})
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
	if n.recovery != nil {
		n.recovery.known = false
	}
	n.some.Listen(nil)
	n.some.Release()
	n.some = nil
}
