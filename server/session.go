package server

import (
	"context"
	"encoding/json"

	"maru.example/maru"
	"maru.example/maru/internal/gateway/full"
	"maru.example/maru/internal/session"
)

// session is what all sessions of the full protocol share.
func (s *Server) session() *session.Options {
	o := &session.Options{
		Submit:          s.submit,
		History:         s.broker.History,
		Presence:        s.hub.PresenceTold,
		Identify:        s.verify,
		Failed:          s.failures.Count,
		MaxMessageBytes: s.options.MaxMessageBytes,
		MaxChannels:     s.options.MaxChannels,
		ConnectTimeout:  s.options.HandshakeTimeout,
		PingInterval:    max(s.options.PingInterval, 0),
	}
	if answer := s.options.RPC; answer != nil {
		o.RPC = func(ctx context.Context, who session.Identity, method string, data json.RawMessage) (json.RawMessage, error) {
			return answer(ctx, callerOf(full.Who(who)), method, data)
		}
	}
	return o
}

// ErrNoMethod is what Options.RPC answers for a method that it does not know.
var ErrNoMethod error = maru.NewError(maru.CodeNotFound, "nobody answers this method")

var errReserved = maru.NewError(maru.CodeNotAllowed, "channels whose names begin with $ are the server's own")
