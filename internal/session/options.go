package session

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Options are shared by all sessions of a server. All fields but RPC and NoConnect are
// needed. The functions are safe for concurrent use.
type Options struct {
	// Submit publishes, and calls done once; see maru.Broker.
	Submit func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error))
	// History reads what is retained of a channel; see maru.Broker. It may wait.
	History func(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error)
	// Presence returns the subscribers of a channel. It may wait for other nodes. Errors:
	// CodeUnavailable, and ctx's.
	Presence func(ctx context.Context, channel string) (maru.Presence, error)

	// Allow checks that the identity is still valid, and that it may perform the action in a
	// channel: auth.Subscribe, auth.History or auth.Presence. (Connection.MayPublish is for
	// auth.Publish, and MayCall for auth.Call.) ctx ends with the session. Errors: usually
	// CodeNotAllowed; CodeTokenExpired, CodeRevoked, CodeBadToken, CodeReconnect.
	Allow func(ctx context.Context, who auth.Identity, do auth.Action, channel string) error
	// AllowWaits says that Allow, Connection.MayPublish and MayCall may wait: commands that ask
	// them are then carried out by a goroutine, and the next ones queue behind it.
	AllowWaits bool
	// Changes counts the changes by which a decision of Allow may fall that still stands.
	Changes func() uint64
	// Watch calls end once when the identity expires, unless release was called before. end is
	// called from any goroutine, maybe before Watch has returned, with the reason. If the identity
	// has ended already, Watch returns the reason. A session watches the tokens of single subscriptions;
	// Connection.Attach watches the connection's.
	Watch func(who *auth.Identity, end func(error)) (release func(), err error)
	// RPC answers a remote call. ctx ends with the session. It is called in a goroutine of its
	// own, for at most maru.MaxCalls calls of a session at once. nil: there are no methods.
	RPC func(ctx context.Context, who auth.Identity, method string, data []byte) ([]byte, error)

	MaxMessageBytes int64         // of a command; sent to the client with Connected
	MaxChannels     int           // subscriptions of one session
	ConnectTimeout  time.Duration // time for Connect to arrive
	PingInterval    time.Duration // sent to the client with Connected

	// NoConnect is for a protocol without a connect command: the session begins connected, with
	// the identity of the handshake.
	NoConnect bool
}
