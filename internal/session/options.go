package session

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Options are shared by all sessions of a server. All fields but RPC, Failed and
// NoConnect are needed. The functions are safe for concurrent use.
type Options struct {
	// Submit publishes, and calls done once; see maru.Broker.
	Submit func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))
	// History reads what is retained of a channel; see maru.Broker. It may wait.
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	// Presence says who is subscribed to a channel. It does not wait.
	Presence func(channel string) maru.Presence

	// Identify says whose a token is. It may wait. Errors: CodeBadToken, CodeTokenExpired,
	// CodeRevoked, CodeUnavailable.
	Identify func(ctx context.Context, token string) (auth.Identity, error)
	// Allow says whether who may do that in a channel: auth.Subscribe, auth.History or
	// auth.Presence. (Connection.MayPublish is about auth.Publish.) It does not wait. Error:
	// CodeNotAllowed.
	Allow func(who auth.Identity, do auth.Action, channel string) error
	// Watch calls end once if who is over, by expiry or revocation, before release is
	// called: from any goroutine, maybe before Watch has returned. The error is why. It is also
	// what Watch returns if who is over already. A session watches the token that a
	// subscription has of its own; the connection's is Connection.Attach's.
	Watch func(who *auth.Identity, end func(error)) (release func(), err error)
	// RPC answers a remote call. ctx ends after 30 s, and not with the session: what a client
	// asked for is carried out, although the client has gone. nil: there are no methods.
	RPC func(ctx context.Context, who auth.Identity, method string, data []byte) ([]byte, error)

	// Failed counts an error that a command is answered with. nil: nothing counts them.
	Failed func(maru.Code)

	MaxMessageBytes int64         // of a command; the client gets it with Connected
	MaxChannels     int           // subscriptions of one session
	ConnectTimeout  time.Duration // within which Connect must come
	PingInterval    time.Duration // the client gets it with Connected

	// NoConnect is for a protocol without a connect command: the session is connected from
	// the beginning, by the identity that the handshake proved.
	NoConnect bool
}
