package session

import (
	"context"
	"fmt"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Connect is the first command of a client, sent once. Any other command before it, or a second
// Connect, closes the connection with CodeBadRequest. An invalid token closes it with the error
// of Connection.Identify.
type Connect struct {
	Ref   uint64
	Token string // empty: use the identity of the handshake
	// Secret is a random text that the client has made and sends again when it reconnects. It
	// owns the idempotency keys of an anonymous client, so that what is sent again on a new
	// connection is published once. Empty, or MinSecretBytes to MaxSecretBytes.
	Secret string
}

// The length of Connect.Secret: one that is shorter could be another client's, too.
const (
	MinSecretBytes = 16
	MaxSecretBytes = 128
)

var errSecret = maru.NewError(maru.CodeBadRequest, fmt.Sprintf(
	"the secret of connect must have %d to %d bytes; make it at random", MinSecretBytes, MaxSecretBytes))

// Connected is the reply to Connect.
type Connected struct {
	User            string        // empty: anonymous
	Connection      string        // its id, by which back ends can end it
	Expires         time.Time     // when the connection ends, unless Refresh comes before; zero: never
	PingInterval    time.Duration // of the server's pings; 0: none
	MaxMessageBytes int64
	MaxChannels     int
}

// connect determines the identity of the client.
func (s *Session) connect(ctx context.Context, c Connect, who auth.Identity) {
	var err error
	if n := len(c.Secret); n != 0 && (n < MinSecretBytes || n > MaxSecretBytes) {
		err = errSecret
	} else if c.Token != "" {
		who, err = s.conn.Identify(ctx, c.Token)
	}
	if err == nil {
		err = s.conn.Attach(who)
	}
	if err != nil {
		s.conn.Close(err)
		return
	}
	s.mu.Lock()
	s.secret = c.Secret
	s.mu.Unlock()
	if !s.become(who) {
		return
	}
	s.answer(c.Ref, Connected{
		User: who.User, Connection: s.conn.ID(), Expires: expires(who), PingInterval: s.options.PingInterval,
		MaxMessageBytes: s.options.MaxMessageBytes, MaxChannels: s.options.MaxChannels,
	})
}

// become sets the identity of the session, and reports whether the session is still open.
func (s *Session) become(who auth.Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == ended {
		return false
	}
	s.stage, s.identity = connected, who
	s.stopTimer()
	return true
}

// expires is when an identity ends; zero: never.
func expires(who auth.Identity) time.Time {
	if who.Grant == nil {
		return time.Time{}
	}
	return who.Grant.Expires
}
