package session

import (
	"context"
	"time"

	"maru.example/maru"
)

type refresh struct {
	Token string `json:"token"`
}

type refreshed struct {
	User    string     `json:"user,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// refresh takes a new token of the same person.
func (s *Session) refresh(ctx context.Context, c *command, who Identity) {
	next, err := s.options.Identify(ctx, c.Refresh.Token)
	if err == nil && next.User() != who.User() {
		err = maru.NewError(maru.CodeBadToken, "the token is somebody else's")
	}
	if err == nil {
		err = s.conn.Identified(next)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if s.become(next) {
		s.answer(c, reply{Refresh: &refreshed{next.User(), expires(next)}})
	}
}
