package session

import (
	"context"

	"maru.example/maru"
)

// Reply is the answer to a command: Connected, Subscribed, Unsubscribed, Published,
// HistoryRead, PresenceRead, Refreshed, Answered, Pong, Resumed or Failed.
type Reply interface{ isReply() }

func (Connected) isReply()    {}
func (Subscribed) isReply()   {}
func (Unsubscribed) isReply() {}
func (Published) isReply()    {}
func (HistoryRead) isReply()  {}
func (PresenceRead) isReply() {}
func (Refreshed) isReply()    {}
func (Answered) isReply()     {}
func (Pong) isReply()         {}
func (Resumed) isReply()      {}
func (Failed) isReply()       {}

// Pong is the reply to Ping.
type Pong struct{}

// Failed is the reply to a command that was not carried out. The connection stays open.
type Failed struct{ Err *maru.Error }

// drained waits until the client has taken what was sent before. It reports whether the session has
// not ended meanwhile.
func (s *Session) drained(ctx context.Context) bool {
	s.conn.Drain(ctx)
	return ctx.Err() == nil
}

// answer sends the reply to a command, if one is wanted.
func (s *Session) answer(ref uint64, r Reply) {
	if ref != 0 {
		s.conn.Reply(ref, r)
	}
}

// fail answers a command with the client-visible part of err, even if no reply is wanted. After
// the end of the session nothing is sent, and errors are not reported: they come from cancelled
// work.
func (s *Session) fail(command, channel string, ref uint64, err error) {
	if s.report(command, channel, err) {
		s.conn.Reply(ref, Failed{maru.ErrorOf(err)})
	}
}

// report passes an error to Connection.Failed, and reports whether the session is still open.
func (s *Session) report(command, channel string, err error) bool {
	s.mu.Lock()
	over := s.stage == ended
	s.mu.Unlock()
	if !over {
		s.conn.Failed(command, channel, err)
	}
	return !over
}
