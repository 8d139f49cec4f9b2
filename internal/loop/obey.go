package loop

import (
	"io"
	"math"
)

// obey executes a command of the loop, and passes on those of connections.
func (l *Loop) obey(c *command) {
	switch c.do {
	case doAppend:
		l.append(c.payload.(*shard), c.message, c.conn)
	case doOpen:
		l.opened(c.conn, c.payload.(*opening))
	case doAccepted:
		l.await(*c.payload.(*acceptedSocket))
	case doListen:
		l.listen(c.payload.(*listening))
	case doUnlisten:
		l.unlisten(int(c.payload.(descriptor)))
	case doTighten:
		l.tighten(c.payload.(tightness))
	case doCloseAll:
		l.closeAll(*c.payload.(*closed))
	case doCloseSome:
		some := c.payload.(*closingShard)
		l.closeMembers(some.shard, &some.closing)
	case doSettle:
		close(c.payload.(chan struct{}))
	case doStop:
		l.stopped = true
	case doRefuse, doAbandon, doDetach:
		l.obeyAwaiting(c)
	default:
		l.obeyConn(c)
	}
}

// obeyAwaiting ends a request that has not become a connection.
func (l *Loop) obeyAwaiting(c *command) {
	s := l.slab.slot(c.conn)
	switch {
	case c.do == doDetach:
		l.detach(c.conn, s, c.payload.(detached))
	case !s.alive(c.conn) || s.state&phaseAwaiting == 0:
	case c.do == doRefuse:
		l.refuse(c.conn, s, c.payload.(httpAnswer))
	default:
		l.closeAwaiting(c.conn, s)
	}
}

// obeyConn executes a command for a connection that the loop has taken over. For one that
// has ended it only corrects the counters.
func (l *Loop) obeyConn(c *command) {
	id, s := c.conn, l.slab.slot(c.conn)
	if c.size > 0 {
		s.buffered.Add(-int64(c.size)) // from here the queue counts it
	}
	if !s.alive(id) || s.state&phaseConnected == 0 {
		switch c.do {
		case doJoin:
			c.payload.(*shard).members.Add(-1)
		case doDrain:
			close(c.payload.(chan struct{}))
		case doTake:
			c.payload.(taker)(nil)
		case doAttach:
			c.payload.(*opening).abandon()
		}
		return
	}
	switch c.do {
	case doSend:
		l.send(id, s, c.message)
	case doSendAll:
		l.sendAll(id, s, c.payload.(replay))
	case doSendPieces:
		l.sendPieces(id, s, c.payload.(*Pieces))
	case doDrain:
		l.drain(id, s, c.payload.(chan struct{}))
	case doClose:
		why := c.payload.(*closing)
		l.startCloseAfter(id, s, why.last, why.why, why.frame)
	case doFarewell:
		why := c.payload.(*closing)
		l.farewell(id, s, why.why, why.frame)
	case doTerminate:
		l.end(id, s, closed{code: closeAbnormal, err: errTerminated})
	case doStart:
		s.state &^= outHeld
		l.out.markDirty(id, s)
	case doPause:
		l.setPaused(id, s, true)
	case doResume:
		l.setPaused(id, s, false)
	case doJoin:
		l.join(id, s, c.payload.(*shard))
	case doLeave:
		l.leave(id, s, c.payload.(*shard))
	case doRead:
		read := c.payload.(*pipeRead)
		l.pipeRead(id, s, read.data, read.err)
	case doWritten:
		write := c.payload.(*pipeWrite)
		l.pipeWritten(id, s, write.n, write.err)
	case doLost:
		l.lost(id, s, c.payload.(*lost).err)
	case doSettled:
		if s.state&inMuted != 0 {
			l.loseLater(id, io.EOF)
			return
		}
		l.ended(id, s, io.EOF)
	case doFail:
		s.state &^= inMuted
		l.fail(id, s, *c.payload.(*closed))
	case doAnswerClose:
		s.state &^= inMuted
		l.closeRead(id, s, *c.payload.(*closed))
	case doTake:
		l.take(id, s, c.payload.(taker))
	case doAttach:
		l.attach(id, s, c.payload.(*opening))
	}
}

// drain closes the Go channel when what waits to be written now is written.
func (l *Loop) drain(id connID, s *slot, drained chan struct{}) {
	if s.state&outQueued == 0 {
		close(drained)
		return
	}
	out := &l.sideOf(id).out
	after := out.gone + uint64(len(out.queue))
	if out.lane != nil {
		after = math.MaxUint64 // all of it
	}
	out.drains = append(out.drains, drain{drained, after})
}
