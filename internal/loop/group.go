package loop

import (
	"math"
	"sync/atomic"

	"maru.example/maru/internal/frame"
)

// Group is a set of connections that get the same messages, sharded over the loops. It
// knows no names. Its methods are safe for concurrent use and never wait. Messages that one
// goroutine (or several under one lock) posts to a connection and to its groups arrive
// there in that order. A connection that ends leaves by itself. An empty group needs no
// end: it is garbage-collected.
type Group struct {
	shards []shard // by loop
}

// shard is a group's part on one loop. The posting goroutines count members, so that a loop
// without any gets no command. All other fields are the loop's.
type shard struct {
	loop      *Loop
	conflated *atomic.Uint64 // see NewLatestGroup; nil: it does not conflate
	members   atomic.Int64

	list   []member
	number uint32     // in links.shards, while the list is not empty
	log    []*Message // of this batch
	order  []uint64   // beside log: rising through the logs of all groups
	bytes  int        // in log
	at     int        // while the log is flushed: members before this one have it
}

// member is one connection in a shard. Pointer-free, as fan-out walks it.
type member struct {
	conn   connID
	cursor uint32 // messages of the log that it has already, or does not get
	link   uint32 // its record in links.all
}

// link is the other direction: a connection's memberships, a list in one slab.
type link struct {
	shard uint32 // number
	place uint32 // in the shard's list
	next  uint32 // number+1 of the connection's next link; of the next free one
}

// links are the memberships on one loop.
type links struct {
	all    []link
	free   uint32   // number+1 of the first free link
	shards []*shard // those with members, by number
	unused []uint32 // free numbers of shards
}

// fanout is a loop's part in groups.
type fanout struct {
	links  links    // memberships
	hot    []*shard // groups with messages in this batch
	births []int64  // the oldest publication of each of these: see Message.Stamp
	logged uint64   // counts the messages in their logs
}

// NewGroup makes an empty group.
func (e *Engine) NewGroup() *Group {
	g := &Group{shards: make([]shard, len(e.loops))}
	for i, l := range e.loops {
		g.shards[i].loop = l
	}
	return g
}

// NewLatestGroup makes a group that conflates. For a slow member only the newest message of
// each key (NewKeyedMessage) waits, up to maru.MaxConflatedKeys keys; a fast member gets
// every message. Members are not closed for the number of messages that wait. conflated counts
// the messages that were replaced; nil: only Stats does.
func (e *Engine) NewLatestGroup(conflated *atomic.Uint64) *Group {
	if conflated == nil {
		conflated = new(atomic.Uint64)
	}
	g := e.NewGroup()
	for i := range g.shards {
		g.shards[i].conflated = conflated
	}
	return g
}

// latest reports whether the group conflates.
func (sh *shard) latest() bool { return sh.conflated != nil }

func (g *Group) shardOf(c Conn) *shard {
	for i := range g.shards {
		if g.shards[i].loop == c.loop {
			return &g.shards[i]
		}
	}
	return nil
}

// Add makes c a member: it gets every message appended from now on. After a second Add, a
// mistake of the caller, c would get each message twice.
func (g *Group) Add(c Conn) {
	if sh := g.shardOf(c); sh != nil {
		sh.members.Add(1)
		if !sh.loop.inbox.post(command{do: doJoin, conn: c.id, payload: sh}) {
			sh.members.Add(-1)
		}
	}
}

// Remove ends c's membership: it still gets messages that were appended before.
func (g *Group) Remove(c Conn) {
	if sh := g.shardOf(c); sh != nil {
		sh.loop.inbox.post(command{do: doLeave, conn: c.id, payload: sh})
	}
}

// Append posts m to all members.
func (g *Group) Append(m *Message) { g.AppendExcept(m, Conn{}) }

// AppendExcept posts m to all members but one.
func (g *Group) AppendExcept(m *Message, except Conn) {
	for i := range g.shards {
		sh := &g.shards[i]
		if sh.members.Load() == 0 {
			continue
		}
		skip := connID(0) // generations begin at 1: no connection has this id
		if except.loop == sh.loop {
			skip = except.id
		}
		sh.loop.inbox.post(command{do: doAppend, conn: skip, payload: sh, message: m, size: m.Len()})
	}
}

// Close closes all members, as Conn.CloseFor closes one: after all that was posted before, and before
// anything that is posted later.
func (g *Group) Close(code int, reason string, cause error) error {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		return err
	}
	for i := range g.shards {
		if sh := &g.shards[i]; sh.members.Load() > 0 {
			sh.loop.inbox.post(command{do: doCloseSome, payload: &closingShard{sh, closing{closed{code: code, reason: reason, err: cause}, payload, nil}}})
		}
	}
	return nil
}

func (l *Loop) closeMembers(sh *shard, why *closing) {
	all := make([]connID, len(sh.list)) // a connection that is closed leaves the list
	for i, m := range sh.list {
		all[i] = m.conn
	}
	for _, id := range all {
		if s := l.slab.slot(id); s.alive(id) {
			l.startClose(id, s, why.why, why.frame)
		}
	}
}

func (l *Loop) join(id connID, s *slot, sh *shard) {
	if s.state&phaseCloseSent != 0 {
		sh.members.Add(-1)
		return
	}
	l.fanout.link(id, s, sh)
	if sh.latest() && s.fd >= 0 {
		keepFresh(int(s.fd))
	}
}

// conflates reports whether a connection is a member of a group that conflates.
func (f *fanout) conflates(s *slot) bool {
	for n := s.links; n != 0; n = f.links.all[n-1].next {
		if f.links.shards[f.links.all[n-1].shard].latest() {
			return true
		}
	}
	return false
}

// link makes a connection a member of a shard.
func (f *fanout) link(id connID, s *slot, sh *shard) {
	if len(sh.list) == 0 {
		sh.number = f.links.number(sh)
	}
	n := f.links.newLink(link{shard: sh.number, place: uint32(len(sh.list)), next: s.links})
	if s.links != 0 {
		s.state |= outSharing
	}
	s.links = n + 1
	sh.list = append(sh.list, member{conn: id, cursor: uint32(len(sh.log)), link: n})
}

func (l *Loop) leave(id connID, s *slot, sh *shard) {
	ls := &l.fanout.links
	for at := &s.links; *at != 0; at = &ls.all[*at-1].next {
		n := *at - 1
		if len(sh.list) == 0 || ls.all[n].shard != sh.number {
			continue
		}
		l.catchUp(id, s)
		if side := l.slab.ref(id).side; sh.latest() && side != nil {
			s.buffered.Add(-int64(side.out.leaveLane(sh)))
		}
		*at = ls.all[n].next
		l.fanout.unlink(n)
		if s.links == 0 || ls.all[s.links-1].next == 0 {
			s.state &^= outSharing
		}
		return
	}
}

// leaveAll ends every membership of a connection that ends.
func (f *fanout) leaveAll(s *slot) {
	for s.links != 0 {
		n := s.links - 1
		s.links = f.links.all[n].next
		f.unlink(n)
	}
	s.state &^= outSharing
}

// unlink removes a membership from its shard; the last of the list takes its place.
func (f *fanout) unlink(n uint32) {
	ls := &f.links
	sh := ls.shards[ls.all[n].shard]
	place, last := ls.all[n].place, uint32(len(sh.list)-1)
	if int(place) < sh.at { // members that have the log stay before the others
		sh.at--
		place = ls.move(sh, uint32(sh.at), place)
	}
	ls.move(sh, last, place)
	sh.list = sh.list[:last]
	sh.members.Add(-1)
	ls.all[n] = link{next: ls.free}
	ls.free = n + 1
	if last == 0 {
		ls.shards[sh.number] = nil
		ls.unused = append(ls.unused, sh.number)
		sh.list = nil
	} else if cap(sh.list) > 64 && len(sh.list) < cap(sh.list)/4 {
		sh.list = append([]member(nil), sh.list...)
	}
}

// move puts one member of a shard in the place of another, and returns its own.
func (ls *links) move(sh *shard, from, to uint32) uint32 {
	if from != to {
		sh.list[to] = sh.list[from]
		ls.all[sh.list[to].link].place = to
	}
	return from
}

func (ls *links) number(sh *shard) uint32 {
	if n := len(ls.unused); n > 0 {
		number := ls.unused[n-1]
		ls.unused = ls.unused[:n-1]
		ls.shards[number] = sh
		return number
	}
	ls.shards = append(ls.shards, sh)
	return uint32(len(ls.shards) - 1)
}

func (ls *links) newLink(k link) uint32 {
	if ls.free != 0 {
		n := ls.free - 1
		ls.free = ls.all[n].next
		ls.all[n] = k
		return n
	}
	ls.all = append(ls.all, k)
	return uint32(len(ls.all) - 1)
}

// append adds a message to a group's log of this batch.
func (l *Loop) append(sh *shard, m *Message, except connID) {
	if len(sh.list) == 0 {
		return
	}
	if except != 0 {
		l.skip(sh, except)
	}
	l.fanout.log(sh, m)
	if sh.bytes > joinBytes {
		l.flushShard(sh)
	}
}

// log adds a message to a group's log.
func (f *fanout) log(sh *shard, m *Message) {
	if len(sh.log) == 0 {
		f.hot = append(f.hot, sh)
		if m.born != 0 {
			f.births = append(f.births, m.born)
		}
	}
	f.logged++
	sh.log, sh.order = append(sh.log, m), append(sh.order, f.logged)
	sh.bytes += m.Len()
}

// skip lets the next message of the log pass one member by.
func (l *Loop) skip(sh *shard, id connID) {
	s := l.slab.slot(id)
	if !s.alive(id) {
		return
	}
	for n := s.links; n != 0; n = l.fanout.links.all[n-1].next {
		if k := l.fanout.links.all[n-1]; k.shard == sh.number {
			l.catchUp(id, s)
			sh.list[k.place].cursor++
			return
		}
	}
}

// catchUp moves the messages of the connection's groups in this batch into its own queue,
// in the order in which they were appended. The message that is queued next comes after
// them.
func (l *Loop) catchUp(id connID, s *slot) {
	if len(l.fanout.hot) == 0 {
		return
	}
	for {
		sh, m, before := l.fanout.oldest(s)
		if sh == nil {
			return
		}
		l.catchUpIn(id, s, sh, m, before)
	}
}

// oldest is the group that has the oldest message for a connection, the connection's
// place in it, and the number of the oldest message that another group has for it.
func (f *fanout) oldest(s *slot) (sh *shard, m *member, other uint64) {
	first := uint64(math.MaxUint64)
	other = first
	for n := s.links; n != 0; n = f.links.all[n-1].next {
		k := f.links.all[n-1]
		one := f.links.shards[k.shard]
		cursor := int(one.list[k.place].cursor)
		if cursor >= len(one.log) || int(k.place) < one.at {
			continue
		}
		if at := one.order[cursor]; at < first {
			sh, m, first, other = one, &one.list[k.place], at, first
		} else {
			other = min(other, at)
		}
	}
	return sh, m, other
}

// catchUpIn does it for the messages of one group before another group's message.
func (l *Loop) catchUpIn(id connID, s *slot, sh *shard, m *member, before uint64) {
	for ; int(m.cursor) < len(sh.log) && sh.order[m.cursor] < before; m.cursor++ {
		if sh.latest() {
			l.conflate(id, s, sh, sh.log[m.cursor])
		} else {
			l.queue(id, s, l.frameFor(id, s, sh.log[m.cursor]), 1)
		}
	}
}

// flushShard gives every member its messages of the log. Members that get all of them and
// have no queue get one shared block in one write each. For the others the messages are
// queued. Between writes it polls the sockets.
func (l *Loop) flushShard(sh *shard) {
	if len(sh.log) == 0 {
		return
	}
	var blocks [16]block // by form: plain, and windows of 8 to 15 bits
	var sum outcome      // of writes that are not listed
	sent := func(m *listed, s *slot, n int, err error) outcome {
		return l.blockWritten(m.conn, s, sh, &m.block, n, err)
	}
	for served := 0; sh.at < len(sh.list); served++ {
		if served == pollEvery {
			l.writeListed(sent)
			l.stats.count(sum)
			sum, served = outcome{}, 0
			l.pollInFlush()
			if sh.at >= len(sh.list) { // members have ended meanwhile
				break
			}
		}
		if l.out.ring != nil && l.out.ring.full() {
			l.writeListed(sent)
		}
		sum = sum.and(l.deliver(sh, &sh.list[sh.at], &blocks))
		sh.at++
	}
	l.writeListed(sent)
	l.stats.count(sum)
	clear(sh.log)
	sh.log, sh.order, sh.bytes, sh.at = sh.log[:0], sh.order[:0], 0, 0
	if cap(sh.log) > 1024 {
		sh.log, sh.order = nil, nil
	}
}

// deliver writes to one member, or lists it.
func (l *Loop) deliver(sh *shard, m *member, blocks *[16]block) outcome {
	s := l.slab.slot(m.conn)
	shared := s.state&outSharing != 0 && len(l.fanout.hot) > 1 && l.fanout.waitsElsewhere(s, sh)
	if m.cursor != 0 || shared || s.state&needsQueue != 0 || s.fd < 0 || sh.latest() && s.state&kindTLS != 0 {
		if shared {
			l.catchUp(m.conn, s)
		} else {
			l.catchUpIn(m.conn, s, sh, m, math.MaxUint64)
		}
		m.cursor = 0
		return outcome{}
	}
	f := form(s.form.Load())
	b := &blocks[f]
	if b.bytes == nil {
		*b = l.joined(sh.log, f)
	}
	if s.state&kindTLS != 0 {
		if l.deliverTLS(m.conn, s, l.slab.ref(m.conn).tls, b) {
			return outcome{deliveries: b.messages, bytes: len(b.bytes)} // deliverTLS counts its writes
		}
		return outcome{}
	}
	if l.out.ring != nil && len(sh.list) >= ringLeast {
		l.out.list(m.conn, s, b)
		return outcome{}
	}
	n, err := l.out.put(int(s.fd), b.bytes)
	return l.blockWritten(m.conn, s, sh, b, n, err)
}

// blockWritten: the socket has taken n bytes of a block, or none.
func (l *Loop) blockWritten(id connID, s *slot, sh *shard, b *block, n int, err error) outcome {
	if n == len(b.bytes) {
		return outcome{1, b.messages, n}
	}
	if sh.latest() {
		l.conflateRest(id, s, sh, max(n, 0), err)
	} else {
		l.queueRest(id, s, b, max(n, 0), err)
	}
	return outcome{writes: 1}
}

// waitsElsewhere reports whether another group has messages for the connection in this
// batch.
func (f *fanout) waitsElsewhere(s *slot, sh *shard) bool {
	for n := s.links; n != 0; n = f.links.all[n-1].next {
		k := f.links.all[n-1]
		other := f.links.shards[k.shard]
		if other != sh && int(k.place) >= other.at && int(other.list[k.place].cursor) < len(other.log) {
			return true
		}
	}
	return false
}

// pollEvery is how many writes of a flush may delay a readable socket; 256 take some 2 ms.
const pollEvery = 256

// pollInFlush reads the readable sockets in the middle of a flush. Commands that handlers
// post wait for its end.
func (l *Loop) pollInFlush() {
	if l.in.serving || l.engine.congested() {
		return
	}
	l.in.midFlush = true
	l.poll.check(l)
	l.in.midFlush = false
}

// block is a batch of messages as one run of bytes in one form.
type block struct {
	bytes    []byte
	messages int
}

// joined encodes a batch once. It is not pooled: queues of slow connections may share and
// keep it.
func (l *Loop) joined(log []*Message, f form) block {
	least := l.engine.options.DeflateMinBytes
	if len(log) == 1 {
		return block{log[0].frame(f, least), 1}
	}
	l.stats.joins.Add(1)
	size := 0
	for _, m := range log {
		size += len(m.frame(f, least))
	}
	b := make([]byte, 0, size)
	for _, m := range log {
		b = append(b, m.frame(f, least)...)
	}
	return block{b, len(log)}
}

// queueRest queues the part of a block that a socket did not take.
func (l *Loop) queueRest(id connID, s *slot, b *block, n int, err error) {
	if err != nil && !wouldBlock(err) {
		l.unwritable(id, s, err)
		return
	}
	l.queue(id, s, b.bytes, b.messages)
	l.stats.count(l.release(s, &l.slab.ref(id).side.out, n))
	l.arm(id, s)
}
