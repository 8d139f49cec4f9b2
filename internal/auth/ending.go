package auth

import (
	"cmp"
	"context"
	"time"

	"maru.example/maru"
)

// Connections are all live connections, which the registry of package admission knows. Its
// methods do not wait for the connections.
type Connections interface {
	// Close ends the connections that the target means with the code of err, and says how
	// many. Of a connection that the target does not mean it ends the subscriptions that have
	// such a token of their own.
	Close(x Target, err error) int
	// Unsubscribe ends the subscriptions that the target means, and says how many. A connection
	// that is one subscription is closed.
	Unsubscribe(x Target, err error) int
}

// How long a revocation lasts.
const (
	revokedFor    = 30 * 24 * time.Hour // unless something else is said, or the token's own expiry is known
	maxRevokedFor = 366 * 24 * time.Hour
)

var (
	errReconnect = maru.NewError(maru.CodeReconnect, "what this client may do has changed: come back, with a new token if there is one")
	// errOtherAuthority ends what a webhook or a session has proved, when another webhook is
	// asked now.
	errOtherAuthority = maru.NewError(maru.CodeReconnect, "people are identified in another way now: come back")
	errSessionUnknown = maru.NewError(maru.CodeReconnect, "the session has ended, or this server does not know it yet: come back")
	errSessionEnded   = maru.NewError(maru.CodeRevoked, "the session has ended")
)

// Disconnect ends the live connections of the target with CodeRevoked, and says how many, on all
// nodes (see Join). They may come back, but clients do not do so by themselves. With reconnect they
// end with CodeReconnect instead: clients come back at once, with a new token. Errors: CodeBadRequest,
// CodeBadChannel; an *UnansweredError, and the number is right for the nodes that have answered.
func (p *Authenticator) Disconnect(ctx context.Context, x Target, reconnect bool) (int, error) {
	if _, err := p.resolve(ctx, &x); err != nil {
		return 0, err
	}
	if reconnect {
		return p.everywhere(ctx, order{Do: doReconnect, Target: x})
	}
	return p.everywhere(ctx, order{Do: doDisconnect, Target: x})
}

// Unsubscribe ends the subscriptions of the target with CodeRevoked, and says how many. They
// may subscribe again, but clients do not do so by themselves. The errors are those of
// Disconnect.
func (p *Authenticator) Unsubscribe(ctx context.Context, x Target) (int, error) {
	if _, err := p.resolve(ctx, &x); err != nil {
		return 0, err
	}
	return p.everywhere(ctx, order{Do: doUnsubscribe, Target: x})
}

// Revoke ends the connections and sessions of a person, a session or a token, and refuses the
// person or the token for that time; a new sign-in under a revoked name too. A nil lasts is 30
// days, or until the token expires; 0 takes the revocation back. It returns the number of
// connections.
//
// If the revocation cannot be kept on disk, it holds all the same, until the server ends, and
// the error says so. Errors: CodeBadRequest; CodeUnavailable if too many are remembered, and
// nothing has happened then; those of maru.Keeper, which of a session mean that it goes on at
// other nodes; an *UnansweredError: a node that did not answer refuses the person or the token as
// soon as it reads what is kept.
func (p *Authenticator) Revoke(ctx context.Context, x Target, lasts *time.Duration) (int, error) {
	if x.Channel != "" || x.Connection != "" {
		return 0, maru.NewError(maru.CodeBadRequest, `a revocation is of one "user", "session" or "token": a channel or a connection can be unsubscribed or disconnected`)
	}
	until, err := p.resolve(ctx, &x)
	if err != nil {
		return 0, err
	}
	switch {
	case lasts != nil && (*lasts < 0 || *lasts > maxRevokedFor):
		return 0, maru.NewError(maru.CodeBadRequest, `the time of a revocation must be from "0s" to "8784h"`)
	case lasts != nil:
		until = time.Now().Add(*lasts)
	case until.IsZero():
		until = time.Now().Add(revokedFor)
	}
	o := order{Do: doRevoke, Target: x, Until: until}
	if p.Sessions.keeper.shared != nil && (x.Session != "" || time.Now().Before(until)) {
		return p.revokeShared(ctx, o)
	}
	if x.Session == "" {
		var refused bool
		if refused, err = p.revoked.set(ctx, x, until); !refused {
			return 0, err
		}
	}
	n, unanswered := p.everywhere(ctx, o)
	return n, cmp.Or(err, unanswered)
}
