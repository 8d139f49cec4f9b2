package session

import (
	"context"

	"maru.example/maru"
)

// queue holds the commands behind one that waits. It exists as long as the goroutine that
// carries out commands, and Session.mu guards it.
type queue struct {
	cancel  context.CancelFunc // of the goroutine
	waiting []Command
}

// work carries out c, and then the queued commands, until the queue is empty.
func (s *Session) work(ctx context.Context, c Command) {
	for c != nil {
		s.carryOut(ctx, c)
		c = s.next()
	}
}

// next returns the next command of the queue. It returns nil, and the work ends, if there is
// none.
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

// throttle pauses a connection with too much in progress, and resumes it when there is room.
// s.mu is held, so that pauses and resumptions are in the right order.
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

// started counts a publication or remote call in progress, and finished ends the count of one.
func (s *Session) started()  { s.count(1) }
func (s *Session) finished() { s.count(-1) }

func (s *Session) count(n int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight += n
	s.throttle()
}
