package session

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Refresh brings a new token of the same person. Subscriptions that the new token does not allow
// end. Errors: those of Connection.Identify and
// Connection.Attach, CodeBadToken for another person's; the old token then still counts.
type Refresh struct {
	Ref   uint64
	Token string
}

// Refreshed is the reply to Refresh.
type Refreshed struct {
	User    string
	Expires time.Time // zero: never
}

var errOtherUser = maru.NewError(maru.CodeBadToken, "the token belongs to another user")

func (s *Session) refresh(ctx context.Context, c Refresh, who auth.Identity) {
	next, err := s.conn.Identify(ctx, c.Token)
	if err == nil && next.User != who.User {
		err = errOtherUser
	}
	if err == nil {
		err = s.conn.Attach(next)
	}
	if err != nil {
		s.fail("refresh", "", c.Ref, err)
		return
	}
	if s.become(next) {
		s.answer(c.Ref, Refreshed{next.User, expires(next)})
		s.Review(next, func(d auth.Decision) error { return s.options.Allow(ctx, d.Who, d.Do, d.Channel) })
	}
}
