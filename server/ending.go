package server

import (
	"context"
	"time"

	"maru.example/maru/internal/auth"
)

// Target says which connections or subscriptions are meant: those of one User, Session, Token or
// Connection; or those of a Channel; or with a Channel beside one of the others, that person's
// part in the channel. The zero Target is an error, so that nobody disconnects everybody by
// mistake.
type Target = auth.Target

// Disconnect closes the live connections of a target with 4503 revoked, and returns how many
// there were: with a Channel, those that are subscribed to it. Their clients may connect again,
// but do not do so by themselves. Errors: CodeBadRequest, CodeBadChannel.
//
// In a cluster it closes those on all servers. It waits for the others, 3 s at most, so call it in a
// goroutine of its own where nothing may wait. If some did not answer, the number is that of the
// others, and the error has CodeUnavailable.
func (s *Server) Disconnect(t Target) (int, error) {
	return s.authenticator.Disconnect(context.Background(), t, false)
}

// Reconnect closes the live connections of a target with 4205 reconnect, and returns how many
// there were. Their clients come back at once, with a new token: call it after what a person may
// do has changed elsewhere, for example in Hooks.Identify. The errors are those of Disconnect.
func (s *Server) Reconnect(t Target) (int, error) {
	return s.authenticator.Disconnect(context.Background(), t, true)
}

// Unsubscribe ends the subscriptions of a target with revoked, and returns how many there were. A
// connection that is one subscription is closed: a raw WebSocket, an event stream, a poll. Their
// clients may subscribe again, but do not do so by themselves. The errors are those of
// Disconnect. Subscriptions by Server.Subscribe are not meant.
func (s *Server) Unsubscribe(t Target) (int, error) {
	return s.authenticator.Unsubscribe(context.Background(), t)
}

// Revoke is Disconnect of a User, Session or Token. It also ends sessions, and refuses the user
// or the token for the given time, at most 366 days; 0 takes that back. With an Options.Broker
// that is a maru.Keeper this survives a restart, and with a maru.SharedKeeper it holds on all servers:
// also on one that did not answer, as soon as it reads what is kept.
//
// If the revocation cannot be kept, it holds until the server ends, the number is right, and the
// error says so. Errors: CodeBadRequest; CodeUnavailable if there are 100,000 revocations
// already; those of maru.Keeper, and in a cluster those of Disconnect.
func (s *Server) Revoke(ctx context.Context, t Target, lasts time.Duration) (int, error) {
	return s.authenticator.Revoke(ctx, t, &lasts)
}
