package session

import (
	"context"

	"maru.example/maru"
)

// work is what a session has in progress beside publications: a goroutine that carries out
// commands one after another, the commands that queue behind it, and remote calls, each in a
// goroutine of its own. It exists only while there is any, and Session.mu guards it.
type work struct {
	ctx     context.Context // of all of it; ends with the session
	cancel  context.CancelFunc
	running bool // the goroutine that carries out commands
	waiting []Command
	joining []joining // subscriptions under way

	calls int           // in progress
	free  chan struct{} // closed when one of them is done; nil: nobody waits for that
}

// working returns the session's work, made if there is none. s.mu is held.
func (s *Session) working() *work {
	if s.work == nil {
		w := new(work)
		w.ctx, w.cancel = context.WithCancel(context.Background())
		if s.stage == ended {
			w.cancel()
		}
		s.work = w
	}
	return s.work
}

// rest ends the work if there is none left. s.mu is held.
func (s *Session) rest() {
	if w := s.work; !w.running && w.calls == 0 {
		w.cancel()
		s.work = nil
	}
}

// waits reports whether the command may wait now, so that it must not run on a loop. s.mu is
// held.
func (s *Session) waits(c Command) bool {
	switch c := c.(type) {
	case Connect:
		return c.Token != ""
	case Subscribe, History, Presence, Refresh, Resume:
		return true
	case Publish:
		return s.options.AllowWaits
	case RPC:
		return s.options.AllowWaits || s.work != nil && s.work.calls >= maru.MaxCalls
	}
	return false
}

// run carries out c, and then the queued commands, until the queue is empty.
func (s *Session) run(ctx context.Context, c Command) {
	for c != nil {
		s.carryOut(ctx, c)
		c = s.next()
	}
}

// next returns the next command of the queue. It returns nil, and the goroutine ends, if there
// is none.
func (s *Session) next() Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.throttle()
	if w := s.work; len(w.waiting) > 0 {
		c := w.waiting[0]
		w.waiting = w.waiting[1:]
		return c
	}
	s.work.running, s.work.waiting = false, nil
	s.rest()
	return nil
}

// beginCall counts a remote call, and returns its context. With maru.MaxCalls in progress it
// waits for one of them to end, or fails with ctx.
func (s *Session) beginCall(ctx context.Context) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.working()
	for w.calls >= maru.MaxCalls { // then the caller is the goroutine that carries out commands, and w stays
		free := make(chan struct{})
		w.free = free
		s.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	w.calls++
	return w.ctx, nil
}

func (s *Session) endCall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.calls--
	if s.work.free != nil {
		close(s.work.free)
		s.work.free = nil
	}
	s.rest()
}

// throttle pauses a connection with too much in progress, and resumes it when there is room.
// s.mu is held, so that pauses and resumptions are in the right order.
func (s *Session) throttle() {
	full := s.inflight >= maru.MaxInflight || s.work != nil && len(s.work.waiting) >= maru.MaxQueuedCommands
	switch {
	case full && !s.paused:
		s.conn.Pause()
	case !full && s.paused:
		s.conn.Resume()
	}
	s.paused = full
}

// started counts a publication in progress, and finished ends the count of one.
func (s *Session) started()  { s.count(1) }
func (s *Session) finished() { s.count(-1) }

func (s *Session) count(n int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight += n
	s.throttle()
}
