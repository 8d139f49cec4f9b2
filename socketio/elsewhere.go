package socketio

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/gateway"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/shares"
)

// elsewhere is what Recovery needs on several nodes: sockets can come back on any of them. The events of
// a namespace have a history then, whose positions are the offsets of the clients, and the state of
// each socket is kept as package gateway/socketio does it for maru serve.
type elsewhere struct {
	server *Server
	kept   *gw.Kept

	mu    sync.Mutex
	where map[string]*Namespace // by pid, those that are here: connected, or saved
}

const (
	findWithin   = 5 * time.Second // a socket on another node, or the history of its events
	settleWithin = 5 * time.Second // a change of rooms of which NATS has the state before
	keptEvents   = 100_000         // of a namespace, beside Recovery.MaxBytes
)

// share begins Recovery for several nodes.
func (s *Server) share(env *gateway.Env) {
	if s.options.Recovery == nil {
		return
	}
	e := &elsewhere{server: s, where: make(map[string]*Namespace)}
	if e.kept = gw.NewKept(env, s.path(), e.state, e.take); e.kept == nil {
		return
	}
	r := newRecovery(s.options.Recovery)
	env.Retain(maru.Namespace(keptReserved), maru.Retention{Publications: keptEvents, Age: r.MaxDisconnection + unsure, Bytes: int64(r.MaxBytes)})
	s.elsewhere = e
}

// here notes that a socket is here, or may come back here.
func (e *elsewhere) here(pid string, n *Namespace) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.where[pid] = n
}

// gone notes that it does not come back here. There is no state any more, or another node has it.
func (e *elsewhere) gone(pid string) {
	e.kept.Forget(pid)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.where, pid)
}

func (e *elsewhere) namespace(pid string) *Namespace {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.where[pid]
}

// state is what NATS gets of a socket.
func (e *elsewhere) state(pid string) ([]byte, shares.Holder) {
	n := e.namespace(pid)
	if n == nil {
		return nil, 0
	}
	n.mu.Lock()
	back := n.recovery.saved[pid]
	if s := n.recovery.live[pid]; s != nil {
		back = s.savable()
	}
	n.mu.Unlock()
	if back == nil {
		return nil, 0
	}
	return back.append(e.kept.Header(), n), back.holder
}

// take ends a socket here, whose client is on another node, and returns its state.
func (e *elsewhere) take(pid string) []byte {
	n := e.namespace(pid)
	if n == nil {
		return nil
	}
	n.giveWay(pid)
	n.mu.Lock()
	back := n.recovery.saved[pid]
	delete(n.recovery.saved, pid)
	n.unlisten()
	n.mu.Unlock()
	e.mu.Lock()
	delete(e.where, pid)
	e.mu.Unlock()
	if back == nil {
		return nil
	}
	return back.append(e.kept.Header(), n)
}

// savable is a socket as it would be saved now; nil: it cannot come back. n.mu is held.
func (s *Socket) savable() *saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		return nil
	}
	one := &saved{id: s.id, pid: s.pid, home: s.home, user: s.handshake.User, data: s.Data, since: s.since, holder: s.conn.Entry().Holder()}
	for room := range s.rooms {
		one.rooms = append(one.rooms, room)
	}
	return one
}

// append encodes a socket:
//
//	header · namespace · id · user · epoch · offset · rooms · data in JSON · its attachments
func (b *saved) append(dst []byte, n *Namespace) []byte {
	var data Arg
	var err error
	if data.JSON, err = encodeArg(&data.binary, b.data); err != nil {
		n.server.options.Logger.Error("a socket cannot come back on another node: its Data cannot be encoded", slog.String("namespace", n.name), slog.Any("err", err))
		return nil
	}
	for _, s := range []string{n.name, b.id, b.user, b.since.Epoch} {
		dst = fields.AppendString(dst, s)
	}
	dst = appendList(binary.AppendUvarint(dst, b.since.Offset), b.rooms)
	return appendList(appendText(dst, []byte(data.JSON)), data.binary)
}

// parseSaved reads what append wrote behind the header; nil: it is damaged.
func parseSaved(b []byte) (namespace string, back *saved, data Arg) {
	r := fields.Reader{Rest: b}
	namespace = r.String()
	back = &saved{id: r.String(), user: r.String()}
	back.since = maru.Position{Epoch: r.String(), Offset: r.Uvarint()}
	back.rooms = readList(&r)
	data = Arg{JSON: r.Stretch(), binary: readBytes(&r)}
	if r.Failed || len(r.Rest) > 0 || len(back.id) != idBytes {
		return "", nil, Arg{}
	}
	return namespace, back, data
}

// own returns a socket that was saved here, or the node that is to be asked for it: one that has taken it
// while this one was cut off, or its home.
func (e *elsewhere) own(n *Namespace, pid, home, user string) (back *saved, node string) {
	n.giveWay(pid)
	n.mu.Lock()
	n.recovery.trim()
	back = n.recovery.saved[pid]
	mine := back != nil && back.user == user
	if mine {
		delete(n.recovery.saved, pid)
	}
	n.mu.Unlock()
	switch {
	case back == nil:
		return nil, home
	case !mine:
		return nil, ""
	}
	node, err := e.kept.Owner(context.Background(), pid)
	if node == "" && err == nil {
		return back, ""
	}
	e.gone(pid)
	return nil, node
}

// find returns a socket of this node or another one that comes back, once; nil: there is none.
func (e *elsewhere) find(n *Namespace, pid, home, user string) *saved {
	back, node := e.own(n, pid, home, user)
	if node == "" {
		return back
	}
	state := e.kept.Find(context.Background(), pid, node)
	if state == nil {
		return nil
	}
	namespace, back, data := parseSaved(gw.StateBody(state))
	if back == nil || namespace != n.name || back.user != user {
		return nil
	}
	back.pid, back.home = pid, home
	var err error
	if decode := n.recovery.Data; decode != nil {
		back.data, err = decode(data)
	} else {
		err = data.Decode(&back.data)
	}
	if err != nil {
		n.server.options.Logger.Error("a socket cannot come back: its Data cannot be decoded", slog.String("namespace", n.name), slog.Any("err", err))
		return nil
	}
	return back
}

// changed says that the rooms of a socket have changed, and returns what waits until NATS has nothing of
// before; nil: nothing has to wait. n.mu is held.
func (n *Namespace) changed(s *Socket) (settled <-chan struct{}) {
	if e := n.server.elsewhere; e != nil && n.recovery.live[s.pid] == s {
		return e.kept.Changing(s.pid)
	}
	return nil
}

// settle waits for that, for a bounded time: while NATS is away the program goes on.
func settle(settled <-chan struct{}) {
	if settled == nil {
		return
	}
	late := time.NewTimer(settleWithin)
	defer late.Stop()
	select {
	case <-settled:
	case <-late.C:
	}
}

// catching collects the events of a namespace while a socket that comes back reads their history.
type catching struct {
	events   []kept
	bytes    int
	overflow bool
}

// collect adds an event. n.mu is held.
func (r *recovery) collect(e kept) {
	for c := range r.catching {
		if c.bytes += e.size(); c.bytes > r.MaxBytes {
			c.events, c.overflow = nil, true
		} else {
			c.events = append(c.events, e)
		}
	}
}

// catchUp is called before a socket is added. The namespace then gets the events of all nodes, and knows
// the last one; a socket that comes back has the history of what it has missed.
func (n *Namespace) catchUp(s *Socket) {
	n.mu.Lock()
	n.listen()
	n.recovery.arriving++
	known := n.recovery.known
	c := &catching{}
	n.recovery.catching[c] = struct{}{}
	n.mu.Unlock()
	q := maru.HistoryQuery{}
	if s.back != nil {
		q = maru.HistoryQuery{Since: &s.has, Limit: -1}
	}
	var h maru.History
	var err error
	if s.back != nil || !known {
		h, err = n.history(q)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err == nil && (s.back != nil || !known):
		n.recovery.begin(maru.Position{Epoch: h.Epoch, Offset: h.Head})
	case err != nil && s.back == nil && !known: // nobody knows from where it would come back
		s.pid = ""
	}
	s.catching, s.missedBefore, s.missedAll = c, h, err == nil && h.Gap == nil
}

// begin notes the head of the namespace's history.
func (r *recovery) begin(at maru.Position) {
	if !r.known || r.epoch != at.Epoch || r.last < at.Offset {
		r.epoch, r.last = at.Epoch, at.Offset
	}
	r.known = true
}

// caught ends catchUp, and returns what a socket has missed; ok is false if that is not known. n.mu is
// held.
func (n *Namespace) caught(s *Socket) (missed []kept, ok bool) {
	r, c := n.recovery, s.catching
	if c == nil {
		return nil, true
	}
	delete(r.catching, c)
	r.arriving--
	h, back := s.missedBefore, s.back
	s.catching, s.missedBefore, s.back = nil, maru.History{}, nil
	if back == nil {
		return nil, true
	}
	if !s.missedAll || c.overflow {
		return nil, false
	}
	for _, p := range h.Publications {
		if e, ok := keptOf(maru.Position{Epoch: h.Epoch, Offset: p.Offset}, p); ok && e.isFor(back) {
			missed = append(missed, e)
		}
	}
	for _, e := range c.events {
		if e.number > h.Head && e.isFor(back) {
			missed = append(missed, e)
		}
	}
	return missed, true
}

// keptOf is an event in the history.
func keptOf(at maru.Position, p *maru.Publication) (kept, bool) {
	e, err := decodeEnvelope(p.Data)
	if err != nil {
		return kept{}, false
	}
	k := kept{envelope: e, number: at.Offset}
	switch {
	case e.action == doOne && len(e.to) == 1:
		k.only = e.to[0]
	case e.action != doEmit:
		return kept{}, false
	}
	k.text = slices.Clip(appendOffset(e.text, at.Epoch, at.Offset))
	return k, true
}

// history reads the events of the namespace.
func (n *Namespace) history(q maru.HistoryQuery) (maru.History, error) {
	ctx, cancel := context.WithTimeout(context.Background(), findWithin)
	defer cancel()
	return n.server.env.History(ctx, n.channels.kept, q)
}

// inHistory reports whether all events after a position are known still.
func (n *Namespace) inHistory(since maru.Position) bool {
	h, err := n.history(maru.HistoryQuery{Since: &since})
	return err == nil && h.Gap == nil
}
