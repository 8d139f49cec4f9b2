package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Connection is what carries a session. Its methods are safe for concurrent use; only
// Subscribe, Rejoin, Identify, Drain, MayPublish and MayCall may wait. None of them calls the session back before it
// returns, except Recheck.
type Connection interface {
	// ID identifies the connection within the server, for back ends.
	ID() string

	// Reply sends the reply to the command with that ref, after everything that was sent
	// before. It does nothing on a closed connection. Only Failed may have a ref of 0.
	Reply(ref uint64, r Reply)

	// Drain waits until the client has taken what was sent before, until the connection is
	// closed, or until ctx ends. A session calls it before a command whose reply may be long,
	// so that a client that does not read has one such reply under way.
	Drain(ctx context.Context)

	// Push sends p in the same order. It does nothing on a closed connection.
	Push(p Push)

	// Identify returns the identity of a token that the client has sent. It may wait. Errors:
	// CodeBadToken, CodeTokenExpired, CodeRevoked, CodeUnavailable.
	Identify(ctx context.Context, token string) (auth.Identity, error)

	// Failed reports an error that a command is answered with; the channel is empty if the
	// command is about none. An error without a code is answered as CodeInternal, so that the
	// reason is known only here.
	Failed(command, channel string, err error)

	// Close closes the connection with the code of err.
	Close(err error)

	// Pause stops reading the connection until Resume. Commands that were read already may
	// still arrive.
	Pause()
	Resume()

	// Attach sets the identity of the client: at Connect, and again at Refresh. It may refuse
	// with an error that has a code, and then nothing has changed. It closes the connection
	// when the identity expires or is revoked.
	Attach(who auth.Identity) error

	// Recheck makes the standing decisions of the connection again, by Session.Review among
	// others, if there was a change since Options.Changes returned that number.
	Recheck(changes uint64)

	// Publisher returns the owner of the client's idempotency keys, and its share: see
	// auth.Identity.Publisher.
	Publisher(who auth.Identity, secret string) (owner string, share maru.KeyShare)

	// MayPublish checks whether who may publish in the channel now, by the rules and the rate
	// limits. It is called once for each publication, right before it is made. With
	// Options.AllowWaits it may wait, also for room to publish from a goroutine. Errors: those
	// of Options.Allow, CodeRateLimited.
	MayPublish(ctx context.Context, who auth.Identity, channel string) error

	// MayCall checks whether who may call a method now, likewise, once for each call.
	MayCall(ctx context.Context, who auth.Identity, method string) error

	// Subscribe joins a channel. It sends Subscribed as the reply to ref (not if ref is 0),
	// then the replay, then live publications, without a hole or a duplicate between them. On
	// failure, answered reports whether the reply was sent before: the subscription then ended
	// during its replay. Errors: the history's; CodeSlow if too much was published during the
	// replay; ctx's.
	Subscribe(ctx context.Context, ref uint64, j Join) (sub Subscription, answered bool, err error)

	// Rejoin joins channels together, or none of them. Their replays must have no gap. It sends
	// Resumed as the reply to ref, then the presence where it is asked for, then what they replay and
	// live publications, in the order of offsets over all channels of a history. Subscriptions are in the
	// order of joins. Errors: CodeGap; those of Subscribe. The caller answers with the error.
	Rejoin(ctx context.Context, ref uint64, joins []Join) ([]Subscription, error)
}

// Join describes how a client joins a channel.
type Join struct {
	Channel  string
	User     string            // for presence; empty: anonymous
	Replay   maru.HistoryQuery // Limit 0: no replay
	Latest   bool              // while the client is slow, only the newest of each key waits
	MaxHz    float64           // publications of a key a second, and implies Latest; 0: no limit
	Presence bool              // the reply has the presence, and changes are pushed

	Conflated bool // for Rejoin: see Resumption
}

// Subscription is a session's subscription to a channel. It must be comparable, as a pointer
// is.
type Subscription interface {
	// Channel is the channel's name.
	Channel() string
	// Leave ends the subscription. Messages sent after it has returned follow the last
	// publication of the channel. It is called once, by any goroutine.
	Leave()
}
