package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

func resume(user string, channels ...string) session.Resume {
	c := session.Resume{Ref: 5, User: user}
	for _, name := range channels {
		c.Channels = append(c.Channels, session.Resumption{Channel: name, Since: maru.Position{Epoch: epoch, Offset: 3}})
	}
	return c
}

// All channels come back, and are the session's: they are left with it.
func TestResume(t *testing.T) {
	connectedWorld(t, func(t *testing.T, w *world) {
		w.do(resume("kim", "a", "b"))
		w.want("5 Resumed")
		if got := w.session.Channels(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("channels %q", got)
		}
		w.do(session.Unsubscribe{Ref: 6, Channel: "a"})
		w.want("leave a", "6 Unsubscribed")
		w.session.Closed()
		w.want("leave b")
	})
}

// Or none of them does, and the session goes on without.
func TestResumeRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		user    string
		allowed map[auth.Action]bool
		fails   error
		want    string
	}{
		"another person":      {user: "lee", want: "5 Failed not_allowed"},
		"no right to it":      {user: "kim", allowed: map[auth.Action]bool{auth.History: true}, want: "5 Failed not_allowed"},
		"no right to history": {user: "kim", allowed: map[auth.Action]bool{auth.Subscribe: true}, want: "5 Failed not_allowed"},
		"a gap":               {user: "kim", fails: maru.NewError(maru.CodeGap, ""), want: "5 Failed gap"},
		"a fault":             {user: "kim", fails: errors.New("broken"), want: "5 Failed internal"},
	} {
		t.Run(name, func(t *testing.T) {
			connectedWorld(t, func(t *testing.T, w *world) {
				w.mu.Lock()
				w.allowed = tt.allowed
				w.mu.Unlock()
				w.subscribe = func(context.Context, uint64, session.Join) (bool, error) { return false, tt.fails }
				w.do(resume(tt.user, "a", "b"))
				w.want(tt.want)
				if got := w.session.Channels(); len(got) != 0 {
					t.Errorf("channels %q", got)
				}
				w.do(session.Ping{Ref: 9})
				w.want("9 Pong")
			})
		})
	}
}
