package server

import (
	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/session"
)

// session returns the options that all sessions share.
func (s *Server) session() session.Options {
	return session.Options{
		Submit:          s.by(byV1),
		History:         s.broker.History,
		Presence:        s.hub.PresenceFollowed,
		Allow:           s.admission.May,
		Changes:         s.registry.Changes,
		Watch:           s.watch,
		AllowWaits:      s.rules.Wait(),
		RPC:             s.rpc(),
		MaxMessageBytes: s.options.MaxMessageBytes,
		MaxChannels:     s.options.MaxChannels,
		ConnectTimeout:  s.options.HandshakeTimeout,
		PingInterval:    max(s.options.PingInterval, 0),
	}
}

// watch calls end when the token of a subscription expires.
func (s *Server) watch(who *auth.Identity, end func(error)) (release func(), err error) {
	revocation, err := s.authenticator.Attach(who, auth.CloseFunc(end))
	return revocation.Release, err
}

// ErrNoMethod is the error that Options.RPC returns for an unknown method.
var ErrNoMethod error = maru.NewError(maru.CodeNotFound, "there is no such method")

var errReserved = maru.NewError(maru.CodeNotAllowed, "channels whose names begin with $ are reserved for the server")
