package session

import (
	"context"
	"time"
)

type connect struct {
	Token string `json:"token"`
}

type welcome struct {
	User        string     `json:"user,omitempty"`
	Ping        int64      `json:"ping"` // ms
	Expires     *time.Time `json:"expires,omitempty"`
	MaxMessage  int64      `json:"max_message"`
	MaxChannels int        `json:"max_channels"`
}

// connect settles who it is. Without a token that is who the handshake said.
func (s *Session) connect(ctx context.Context, c *command) {
	s.mu.Lock()
	who := s.identity
	s.mu.Unlock()
	var err error
	if c.Connect.Token != "" {
		who, err = s.options.Identify(ctx, c.Connect.Token)
	}
	if err == nil {
		err = s.conn.Identified(who)
	}
	if err != nil {
		s.conn.Close(err)
		return
	}
	if !s.become(who) {
		return
	}
	s.answer(c, reply{Connect: &welcome{
		User: who.User(), Ping: s.options.PingInterval.Milliseconds(), Expires: expires(who),
		MaxMessage: s.options.MaxMessageBytes, MaxChannels: s.options.MaxChannels,
	}})
}

// become makes who the session's identity.
func (s *Session) become(who Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == ended {
		return false
	}
	s.stage, s.identity = connected, who
	s.stopTimer()
	return true
}

func expires(who Identity) *time.Time {
	end := who.Expires().UTC()
	if end.IsZero() {
		return nil
	}
	return &end
}
