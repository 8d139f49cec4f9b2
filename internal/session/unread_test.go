package session_test

import (
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/session"
)

// Issue 14 §10: a command whose reply may be long waits until the client has taken what was sent
// before, those behind it wait in their order, and beyond the queue the connection is not read.
func TestCommandsBehindUnreadReplies(t *testing.T) {
	for name, tt := range map[string]struct {
		c     session.Command
		reply string
	}{
		"history":   {session.History{Ref: 2, Channel: "a"}, "2 HistoryRead"},
		"presence":  {session.Presence{Ref: 2, Channel: "a"}, "2 PresenceRead"},
		"subscribe": {session.Subscribe{Ref: 2, Channel: "a"}, "2 Subscribed"},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.unread = make(chan struct{})
				w.do(tt.c, session.Ping{Ref: 3})
				w.want()
				for range maru.MaxQueuedCommands - 1 {
					w.do(session.Ping{})
				}
				w.want("pause")
				close(w.unread)
				w.want(tt.reply, "resume", "3 Pong")
				if name == "subscribe" {
					w.session.Closed()
					w.want("leave a")
				}
			})
		})
	}
}

// The end of the connection ends the wait, and nothing is read or encoded.
func TestUnreadRepliesOfAClosedConnection(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.unread = make(chan struct{})
		w.do(session.History{Ref: 2, Channel: "a"}, session.Presence{Ref: 3, Channel: "a"})
		w.want()
		w.session.Closed()
		w.want()
	})
}
