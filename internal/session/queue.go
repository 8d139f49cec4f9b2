package session

import (
	"context"

	"maru.example/maru"
)

// queue is what came behind a command that waits. It exists while the goroutine that
// carries out commands does, and Session.mu guards it.
type queue struct {
	cancel  context.CancelFunc // of the goroutine
	waiting []Command
}

// work carries out c, and then what has queued behind it, until the queue is empty.
func (s *Session) work(ctx context.Context, c Command) {
	for c != nil {
		s.carryOut(ctx, c)
		c = s.next()
	}
}

// next is the next command of the queue. Without one the work is over, and next is nil.
func (s *Session) next() Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.throttle()
	if q := s.queue; len(q.waiting) > 0 {
		c := q.waiting[0]
		q.waiting = q.waiting[1:]
		return c
	}
	s.queue.cancel()
	s.queue = nil
	return nil
}

// throttle pauses a connection that has asked for much, and resumes it when there is
// room. s.mu is held, so that pauses and resumptions come in the order of their causes.
func (s *Session) throttle() {
	full := s.inflight >= maru.MaxInflight || s.queue != nil && len(s.queue.waiting) >= maru.MaxQueuedCommands
	switch {
	case full && !s.paused:
		s.conn.Pause()
	case !full && s.paused:
		s.conn.Resume()
	}
	s.paused = full
}

// started counts a publication or remote call that is under way, and finished counts
// it out.
func (s *Session) started()  { s.count(1) }
func (s *Session) finished() { s.count(-1) }

func (s *Session) count(n int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight += n
	s.throttle()
}
